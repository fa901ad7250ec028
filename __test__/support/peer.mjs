// A program of its own with a runtime: `fork(peer.mjs, [OPTIONS])`, which are JSON. It runs the functions that peer.ts sends,
// and ends when told, when killed, or when whoever started it is gone.
import { Runtime } from '../../index.mjs'

const runtime = await Runtime.open(JSON.parse(process.argv[2] ?? '{}'))
/** What functions leave for later ones. */
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
