// The cost of an idle box: the proportional set size of its shim and of all its descendants (QEMU is its child), and the share of one
// CPU that they take in 30 s.
import { readdirSync, readFileSync } from 'node:fs'
import { withBox } from '../with-box.mjs'

/** @type {import('../bench.mjs').Figure} */
export const memory = {
  name: 'memoryIdle',
  unit: 'MiB',
  measure: bench => idleMemory(bench),
}

/**
 * Returns the MiB of an idle box with `options`.
 * @param {import('../bench.mjs').Bench} bench @param {Partial<import('../../index.js').BoxOptions>} [options]
 */
export const idleMemory = (bench, options) =>
  ofIdle(bench, async pid => family(pid).reduce((sum, member) => sum + pss(member), 0) / 1024, options)

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
 * @param {Partial<import('../../index.js').BoxOptions>} [options]
 */
const ofIdle = (bench, measure, options) =>
  withBox(
    bench,
    async box => {
      await new Promise(settled => setTimeout(settled, 1000))
      const { pid } = await box.info()
      if (!pid) throw new Error('the running box has no pid')
      return measure(pid)
    },
    options,
  )

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
