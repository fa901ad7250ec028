// Reads events and logs. Used by the tests of supervision.
import type { Box, Events, RuntimeEvent } from '../../index.mjs'

/** Returns the next event that has the properties of `wanted`, and fails if there is none. Later events can still be read. */
export async function next(events: Events, wanted: object): Promise<RuntimeEvent> {
  const iterator = events[Symbol.asyncIterator]()
  for (;;) {
    const { value: event, done } = await iterator.next()
    if (done) throw new Error(`no such event: ${JSON.stringify(wanted)}`)
    const properties = event as unknown as Record<string, unknown>
    if (Object.entries(wanted).every(([key, value]) => properties[key] === value)) return event
  }
}

/** Returns what the main process has written to one stream so far. */
export async function written(box: Box, stream: 'stdout' | 'stderr' = 'stdout'): Promise<string> {
  const chunks: Buffer[] = []
  for await (const entry of box.logs()) if (entry.stream === stream) chunks.push(entry.data)
  return Buffer.concat(chunks).toString()
}
