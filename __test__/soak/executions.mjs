// Commands without end in one box: thousands one after the other, with nothing more held at the end than early on, neither
// by this program and the shim nor by the box. Called by soak.mjs.
import { readdirSync, readFileSync } from 'node:fs'

/** Commands before the first look: by then as many groups and threads are made as are needed. */
const WARM_UP = 100
/** Before thousands: by then the box remembers as many as it ever does, the last 1024. */
const LONG_WARM_UP = 1100
/** At once, before each look: as many groups of executions as the box then keeps (with two descriptors each). */
const CROWD = 50

/** @typedef {Record<string, number>} Held */

/** What each figure may have grown by, however many commands: pools make a thread now and then, allocators keep what they had. */
const ALLOWED = {
  'descriptors of this program': 0,
  'threads of this program': 4,
  'KiB of this program': 16 * 1024,
  'descriptors of the shim': 2,
  'threads of the shim': 2,
  'KiB of the shim': 8 * 1024,
  'descriptors of the box’s init': 0,
  'processes of the box': 0,
  'KiB of the box’s kernel': 1024,
  'KiB of the box’s programs': 1024,
}

/**
 * @param {import('../../index.mjs').Box} box @param {number} count @param {(line: string) => void} say
 * @returns {Promise<string[]>} what went wrong
 */
export async function executions(box, count, say) {
  for (let i = 0; i < (count > LONG_WARM_UP ? LONG_WARM_UP : WARM_UP); i++) await box.exec('true', [], { check: true })
  const before = await held(box)
  const began = performance.now()
  for (let i = 1; i <= count; i++) {
    const { stdout } = await box.exec('echo', [String(i)], { check: true })
    if (stdout !== `${i}\n`) return [`command ${i} said ${JSON.stringify(stdout)}`]
  }
  const each = (performance.now() - began) / count
  const after = await held(box)
  say(`${count} commands, ${each.toFixed(1)} ms each`)
  for (const [name, value] of Object.entries(before)) say(`  ${name}: ${value} before, ${after[name]} after`)
  return Object.entries(ALLOWED).flatMap(([name, allowed]) => {
    const [then, now] = [Number(before[name]), Number(after[name])]
    return now <= then + allowed ? [] : [`${name}: ${then} before, ${now} after ${count} commands`]
  })
}

/** What program, shim and box hold once a crowd has come and gone. @param {import('../../index.mjs').Box} box @returns {Promise<Held>} */
async function held(box) {
  await Promise.all(Array.from({ length: CROWD }, () => box.exec('true', [], { check: true })))
  const line = `ls /proc/1/fd | wc -l; ls -d /sys/fs/cgroup/exec-* | wc -l; set -- /proc/[0-9]*; echo $#
    grep -E '^(SUnreclaim|AnonPages)' /proc/meminfo`
  const { stdout } = await box.exec('sh', ['-c', line], { check: true })
  const [descriptors = 0, groups = 0, processes = 0] = stdout.split('\n').map(Number)
  const memory = (/** @type {string} */ name) => Number(new RegExp(`${name}: *(\\d+)`).exec(stdout)?.[1])
  const { pid } = await box.info()
  for (let i = 0; i < 3; i++) globalThis.gc?.()
  return {
    ...hostSide('self', 'this program'),
    ...hostSide(String(pid), 'the shim'),
    'descriptors of the box’s init': descriptors - 2 * groups,
    'processes of the box': processes,
    'KiB of the box’s kernel': memory('SUnreclaim'),
    'KiB of the box’s programs': memory('AnonPages'),
  }
}

/** @param {string} pid @param {string} whose @returns {Held} */
function hostSide(pid, whose) {
  return {
    [`descriptors of ${whose}`]: readdirSync(`/proc/${pid}/fd`).length,
    [`threads of ${whose}`]: readdirSync(`/proc/${pid}/task`).length,
    [`KiB of ${whose}`]: Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]),
  }
}
