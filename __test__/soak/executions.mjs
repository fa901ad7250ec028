// Many commands in one box, one after the other, after which neither this program nor the shim nor the box may hold more resources than
// before. Called by soak.mjs.
import { readdirSync, readFileSync } from 'node:fs'

/** Commands before the first measurement, in which groups and threads are created. */
const WARM_UP = 100
/** The same before thousands of commands: the box then retains as many executions as it ever does, the last 1024. */
const LONG_WARM_UP = 1100
/** Commands at once before each measurement, so that the box has the same number of cgroups each time (with two descriptors each). */
const CROWD = 50

/** @typedef {Record<string, number>} Resources */

/** How much each figure of `hostSide` may grow: pools start a thread now and then, and allocators retain memory. */
export const HOST_SIDE_ALLOWED = {
  'descriptors of this program': 0,
  'threads of this program': 4,
  'KiB of this program': 16 * 1024,
  'descriptors of the shim': 2,
  'threads of the shim': 2,
  'KiB of the shim': 8 * 1024,
}

/** How much each figure may grow, however many commands are run. */
const ALLOWED = {
  ...HOST_SIDE_ALLOWED,
  'descriptors of the box’s init': 0,
  'processes of the box': 0,
  'KiB of the box’s kernel': 1024,
  'KiB of the box’s programs': 1024,
}

/**
 * @param {import('../../index.mjs').Box} box @param {number} count @param {(line: string) => void} say
 * @returns {Promise<string[]>} the faults
 */
export async function executions(box, count, say) {
  for (let i = 0; i < (count > LONG_WARM_UP ? LONG_WARM_UP : WARM_UP); i++) await box.exec('true', [], { check: true })
  const before = await measure(box)
  const began = performance.now()
  for (let i = 1; i <= count; i++) {
    const { stdout } = await box.exec('echo', [String(i)], { check: true })
    if (stdout !== `${i}\n`) return [`command ${i} wrote ${JSON.stringify(stdout)}`]
  }
  const each = (performance.now() - began) / count
  const after = await measure(box)
  say(`${count} commands, ${each.toFixed(1)} ms each`)
  for (const [name, value] of Object.entries(before)) say(`  ${name}: ${value} before, ${after[name]} after`)
  return Object.entries(ALLOWED).flatMap(([name, allowed]) => {
    const [then, now] = [Number(before[name]), Number(after[name])]
    return now <= then + allowed ? [] : [`${name}: ${then} before, ${now} after ${count} commands`]
  })
}

/**
 * Measures what program, shim and box hold after a number of commands at once.
 * @param {import('../../index.mjs').Box} box @returns {Promise<Resources>}
 */
async function measure(box) {
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

/** What a process of this machine holds. @param {string} pid @param {string} whose @returns {Resources} */
export function hostSide(pid, whose) {
  return {
    [`descriptors of ${whose}`]: readdirSync(`/proc/${pid}/fd`).length,
    [`threads of ${whose}`]: readdirSync(`/proc/${pid}/task`).length,
    [`KiB of ${whose}`]: Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]),
  }
}
