// A program with a runtime: `fork(peer.mjs, [OPTIONS])`, where OPTIONS is JSON. It runs the functions that peer.ts sends, and ends when
// its parent disconnects or exits.
import { Runtime } from '../../index.mjs'

const runtime = await Runtime.open(JSON.parse(process.argv[2] ?? '{}'))
/** Values that functions store for later functions. */
const kept = {}

process.on('message', async (/** @type {{ id: number, source: string, argument: unknown }} */ message) => {
  const { id, source, argument } = message
  try {
    // biome-ignore lint/security/noGlobalEval: the test's own function
    const work = globalThis.eval(`(${source})`)
    const result = await work(runtime, argument, kept)
    process.send?.({ id, result })
  } catch (error) {
    const { message, code } = /** @type {{ message: string, code?: string }} */ (error)
    process.send?.({ id, error: { message, code } })
  }
})
process.send?.({ id: 0 })
