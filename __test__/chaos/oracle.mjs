// What must be true after a blow. Each question returns what is wrong, in words; nothing wrong is an empty list.
// Called by chaos.mjs; the second opinions are qemu-img and e2fsck.
import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { capture } from '../../scripts/command.mjs'
import { findProgram } from '../../scripts/setup/debian.mjs'
import { machinesOf } from './processes.mjs'

/** How soon everything of an attached box must be gone after its host process. */
export const GONE_MS = 2000

const e2fsck = findProgram('e2fsck') ?? 'e2fsck'

/**
 * Waits until no process of the home's boxes lives and no socket of theirs is bound: how long that took, or who is left.
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
 * What the host process said of a box that it lost: an error with a code, and that the box has failed, for nobody ended it in order.
 * @param {string | undefined} lost
 */
export function misjudged(lost) {
  if (lost === undefined) return []
  const [code, state] = lost.split(' ')
  const faults = code === 'NONE' ? [`an error without a code: ${lost}`] : []
  return state === 'failed' ? faults : [...faults, `the box has ${state}, not failed: ${lost}`]
}

/** State files that can't be read as what they are. @param {string} home */
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

/** What somebody meant to take away again. Ask when a runtime has opened the home after the blow and closed it. @param {string} home */
export const leftovers = home => filesOf(home).filter(file => /(^|\/)\.writing-|\.sock$|\.tmp$|\.new$/.test(file))

/** @param {string} home */
const filesOf = home => (existsSync(home) ? readdirSync(home, { recursive: true }).map(String) : [])

/** What qemu-img(1) calls a disk whose only fault is that clusters count as used and are not. */
const LEAKED = 3

/**
 * The disk of a box that is not running: the overlay as qemu-img sees it, and the file system in it once its journal is
 * replayed, on a copy. `killed`: its engine was, and it has not been started since; clusters that it took and had not yet
 * put to use are given back by the next start, and so are no fault until then.
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
 * A dying QEMU loses its command line, by which it was found, a moment before its files and their locks.
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
