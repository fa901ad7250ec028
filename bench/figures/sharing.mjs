// The cost of sharing a home between processes: a list is read from disk, a box of another process is joined, and two processes with one
// box each are compared with one process that has both.
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { median, timed } from '../clock.mjs'

const COMMANDS = 40
const BOXES = 50

/** @type {import('../bench.mjs').Figure} */
export const listFifty = {
  name: 'listFifty',
  unit: 'ms',
  measure: async ({ runtime, image }) => {
    const boxes = await Promise.all(Array.from({ length: BOXES }, () => runtime.create({ image, network: 'none' })))
    const took = await median(9, () => timed(() => runtime.list()))
    await Promise.all(boxes.map(box => box.remove()))
    return took
  },
}

/** @type {import('../bench.mjs').Figure} */
export const join = {
  name: 'joinToExec',
  unit: 'ms',
  measure: bench => withNeighbour(bench, async run => (await run('here', 1))[0] ?? Number.NaN),
}

/**
 * The ratio of two times: of two processes that run commands at once, each in its own box, and of one process that does so in both
 * boxes.
 * @type {import('../bench.mjs').Figure}
 */
export const twoProcesses = {
  name: 'twoProcessesToOne',
  unit: '×',
  measure: bench =>
    withNeighbour(bench, async (run, here, there) => {
      const commands = async (/** @type {import('../../index.js').Box} */ box) => {
        for (let i = 0; i < COMMANDS; i++) await box.exec('true')
      }
      await run('there', 1)
      const one = await median(3, () => timed(() => Promise.all([commands(here), commands(there)])))
      const two = await median(3, () => timed(() => Promise.all([commands(here), run('there', COMMANDS)])))
      return two / one
    }),
}

/**
 * @typedef {(name: string, times: number) => Promise<number[]>} Run runs commands in a box, in the other process
 * @param {import('../bench.mjs').Bench} bench
 * @param {(run: Run, here: import('../../index.js').Box, there: import('../../index.js').Box) => Promise<number>} measure
 */
async function withNeighbour({ runtime, home, image }, measure) {
  const here = await runtime.create({ image, name: 'here', network: 'none' })
  const there = await runtime.create({ image, name: 'there', network: 'none' })
  await Promise.all([here.start(), there.start()])
  const { engine } = await here.info()
  const child = fork(fileURLToPath(new URL('../neighbour.mjs', import.meta.url)), [home, String(engine)])
  try {
    await once(child, 'message')
    return await measure(
      async (name, times) => {
        child.send({ name, times })
        return (await once(child, 'message'))[0]
      },
      here,
      there,
    )
  } finally {
    child.kill()
    await Promise.all([here, there].map(box => box.remove({ force: true })))
  }
}
