// Checks what must be true after a kill. Each check returns its faults as text, or an empty list. Called by round.mjs; uses qemu-img and
// e2fsck.
import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { capture } from '../../scripts/command.mjs'
import { findProgram } from '../../scripts/setup/debian.mjs'
import { machinesOf } from './processes.mjs'

/** How soon everything of an attached box must have ended after its host process. */
export const GONE_MS = 2000

const e2fsck = findProgram('e2fsck') ?? 'e2fsck'

/**
 * Waits until no process of the home's boxes runs and none of their sockets is bound. Returns how long that took, or what is left.
 * @param {string} home @param {Iterable<string>} ids
 * @returns {Promise<{ tookMs: number, left: string[] }>}
 */
export async function gone(home, ids) {
  const began = performance.now()
  for (;;) {
    const left = [...machinesOf(home, ids), ...socketsOf(home)]
    const tookMs = performance.now() - began
    if (left.length === 0 || tookMs > GONE_MS) return { tookMs, left }
    await new Promise(resolve => setTimeout(resolve, 20))
  }
}

/** @param {string} home */
const socketsOf = home =>
  readFileSync('/proc/net/unix', 'latin1')
    .split('\n')
    .filter(line => line.includes(home))
    .map(line => `socket ${line.slice(line.indexOf('/'))}`)

/**
 * Checks what the host process reported of a box that it lost: an error with a code, and the state `failed`, since the box was not stopped.
 * @param {string | undefined} lost
 */
export function misjudged(lost) {
  if (lost === undefined) return []
  const [code, state] = lost.split(' ')
  const faults = code === 'NONE' ? [`an error without a code: ${lost}`] : []
  return state === 'failed' ? faults : [...faults, `the box has ${state}, not failed: ${lost}`]
}

/** Returns the state files that can't be parsed. @param {string} home */
export function tornFiles(home) {
  return filesOf(home)
    .filter(file => file.endsWith('.json'))
    .flatMap(file => {
      try {
        JSON.parse(readFileSync(join(home, file), 'utf8'))
        return []
      } catch (error) {
        return [`${file}: ${error}`]
      }
    })
}

/**
 * Returns temporary files that were not removed. To be called after a runtime has opened the home after the kill and closed it.
 * @param {string} home
 */
export const leftovers = home => filesOf(home).filter(file => /(^|\/)\.writing-|\.sock$|\.tmp$|\.new$/.test(file))

/** @param {string} home */
const filesOf = home => (existsSync(home) ? readdirSync(home, { recursive: true }).map(String) : [])

/** The status of qemu-img(1) for a disk whose only fault is leaked clusters: they count as used and are not. */
const LEAKED = 3

/**
 * Checks the disk of a box that is not running: the overlay with qemu-img, and the file system on it after its journal is replayed on a
 * copy. `killed` means that its engine was killed and not started since; clusters that leaked then are freed at the next start, so they
 * are no fault before it.
 * @param {string} overlay @param {string} scratch a file for the copy @param {'killed' | 'stopped'} how
 * @returns {Promise<string[]>}
 */
export async function diskFaults(overlay, scratch, how) {
  if (!existsSync(overlay)) return []
  try {
    const check = await checkOverlay(overlay)
    const clean = check.status === 0 || (how === 'killed' && check.status === LEAKED)
    const faults = clean ? [] : [`qemu-img check: ${check.status}: ${check.output}`]
    const copied = await capture('qemu-img', ['convert', '-O', 'raw', overlay, scratch])
    if (copied.status !== 0) return [...faults, `qemu-img convert: ${copied.output}`]
    const replay = await capture(e2fsck, ['-E', 'journal_only', '-y', scratch])
    if (replay.status > 1) faults.push(`e2fsck -E journal_only: ${replay.status}: ${replay.output}`)
    const fsck = await capture(e2fsck, ['-fn', scratch])
    if (fsck.status !== 0) faults.push(`e2fsck -fn: ${fsck.status}: ${fsck.output}`)
    return faults
  } finally {
    rmSync(scratch, { force: true })
  }
}

/**
 * Waits for the disk's lock: an exiting QEMU loses its command line, by which it is found, a moment before it closes its files.
 * @param {string} overlay
 */
async function checkOverlay(overlay) {
  const began = performance.now()
  for (;;) {
    const check = await capture('qemu-img', ['check', overlay])
    if (!check.output.includes('Failed to get shared "write" lock') || performance.now() - began > GONE_MS) return check
    await new Promise(resolve => setTimeout(resolve, 20))
  }
}
