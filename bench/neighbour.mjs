// A second process with a runtime in the same home: `fork(neighbour.mjs, [HOME, ENGINE])`. On a message with the name of a box, it runs
// commands in it and answers with the milliseconds that each took. Started by figures/sharing.mjs.
import { loadFace } from '../scripts/start/face.mjs'
import { timed } from './clock.mjs'

const [home = '', engine] = process.argv.slice(2)
const { Runtime } = await loadFace()
const runtime = await Runtime.open({ home, engine: /** @type {'auto'} */ (engine) })

process.on('message', async (/** @type {{ name: string, times: number }} */ { name, times }) => {
  const took = []
  // The first command includes finding and joining the box.
  for (let i = 0; i < times; i++) took.push(await timed(async () => (await runtime.get(name)).exec('true')))
  process.send?.(took)
})
process.send?.('ready')
