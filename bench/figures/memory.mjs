// The cost of an idle box: the proportional set size of its shim and of all its descendants (QEMU is its child), and the share of one
// CPU that they take in 30 s.
import { readdirSync, readFileSync } from 'node:fs'
import { withBox } from '../with-box.mjs'

/** @type {import('../bench.mjs').Figure} */
export const memory = {
  name: 'memoryIdle',
  unit: 'MiB',
  measure: bench => ofIdle(bench, async pid => memoryOf(pid)),
}

/** Returns the MiB of a shim and its descendants. @param {number} pid */
const memoryOf = pid => family(pid).reduce((sum, member) => sum + pss(member), 0) / 1024

/**
 * Returns the MiB of each of some boxes that have been idle for long enough to have given back what their starts had left over.
 * @param {import('../../index.js').Box[]} boxes
 */
export async function memoryOfIdle(boxes) {
  await new Promise(settled => setTimeout(settled, REPORTED_MS))
  return Promise.all(boxes.map(async box => memoryOf(await pidOf(box))))
}

/** A kernel tells its host of free pages after two seconds (Linux `mm/page_reporting.c`). */
const REPORTED_MS = 5000

/** @type {import('../bench.mjs').Figure} */
export const cpuIdle = {
  name: 'cpuIdle',
  unit: '%',
  measure: bench =>
    ofIdle(bench, async pid => {
      const [before, start] = [cpuMs(pid), performance.now()]
      await new Promise(over => setTimeout(over, 30_000))
      return (100 * (cpuMs(pid) - before)) / (performance.now() - start)
    }),
}

/**
 * Measures the shim of a box that has been idle for a second.
 * @param {import('../bench.mjs').Bench} bench @param {(pid: number) => Promise<number>} measure
 */
const ofIdle = (bench, measure) =>
  withBox(bench, async box => {
    await new Promise(settled => setTimeout(settled, 1000))
    return measure(await pidOf(box))
  })

/** @param {import('../../index.js').Box} box */
async function pidOf(box) {
  const { pid } = await box.info()
  if (!pid) throw new Error('the running box has no pid')
  return pid
}

/**
 * Returns the milliseconds that `pid` and its descendants have run (Linux `Documentation/scheduler/sched-stats.rst`).
 * @param {number} pid
 */
function cpuMs(pid) {
  const threads = family(pid).flatMap(member => readdirSync(`/proc/${member}/task`).map(tid => `${member}/task/${tid}`))
  return (
    threads.reduce((sum, thread) => sum + Number.parseInt(readFileSync(`/proc/${thread}/schedstat`, 'utf8'), 10), 0) /
    1e6
  )
}

/** Returns `pid` and its descendants. @param {number} pid @returns {number[]} */
function family(pid) {
  const threads = readdirSync(`/proc/${pid}/task`)
  const children = threads.flatMap(tid =>
    readFileSync(`/proc/${pid}/task/${tid}/children`, 'utf8').split(' ').filter(Boolean),
  )
  return [pid, ...children.map(Number).flatMap(family)]
}

/** Returns the proportional set size in KiB (proc(5), smaps_rollup). @param {number} pid */
function pss(pid) {
  return Number(/^Pss:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8'))?.[1])
}
