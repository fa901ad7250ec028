// Measures the resources of a program with a runtime: descriptors, threads, processes, sockets, memory, disk. Called by soak.mjs before
// and after.
import { lstatSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'

/**
 * @typedef {{ fds: number, threads: number, children: number, sockets: number, rssMib: number, diskKib: number, files: number }}
 * Footprint
 */

/** @param {string} base the folder in which the home lies @returns {Footprint} */
export function measure(base) {
  const { kib, files } = sizeOf(base)
  return {
    fds: readdirSync('/proc/self/fd').length,
    threads: readdirSync('/proc/self/task').length,
    children: readdirSync('/proc/self/task').flatMap(task => fields(`/proc/self/task/${task}/children`)).length,
    sockets: text('/proc/net/unix').split(base).length - 1,
    rssMib: Math.round(process.memoryUsage.rss() / 2 ** 20),
    diskKib: kib,
    files,
  }
}

/** Measures after garbage is collected and pools have ended idle threads, which takes tokio ten seconds. @param {string} base */
export async function settled(base) {
  await delay(11_000)
  for (let i = 0; i < 3; i++) {
    globalThis.gc?.()
    await delay(50)
  }
  return measure(base)
}

/**
 * Returns what grew by more than is allowed. Counts may not grow at all. Memory varies with two garbage-collected heaps and an allocator
 * that retains pages, and the log in the home grows by a few lines in each cycle.
 * @param {Footprint} before @param {Footprint} after @param {number} cycles
 * @returns {string[]}
 */
export function growth(before, after, cycles) {
  /** @type {Record<keyof Footprint, number>} */
  const allowed = { fds: 0, threads: 0, children: 0, sockets: 0, rssMib: 16, diskKib: 16 + 2 * cycles, files: 0 }
  const names = /** @type {(keyof Footprint)[]} */ (Object.keys(allowed))
  return names
    .filter(name => after[name] > before[name] + allowed[name])
    .map(name => `${name}: ${before[name]} before, ${after[name]} after, and ${allowed[name]} more would be allowed`)
}

/**
 * Measures the space that files take, not their length, since disks are sparse.
 * @param {string} folder @returns {{ kib: number, files: number }}
 */
function sizeOf(folder) {
  let [kib, files] = [0, 0]
  for (const name of readdirSync(folder, { recursive: true }).map(String)) {
    const about = lstatSync(join(folder, name), { throwIfNoEntry: false })
    if (!about) continue
    kib += about.blocks / 2
    files++
  }
  return { kib, files }
}

/** @param {string} file */
const fields = file => text(file).split(' ').filter(Boolean)

/** @param {string} file */
function text(file) {
  try {
    return readFileSync(file, 'latin1')
  } catch {
    return '' // the thread has ended meanwhile
  }
}
