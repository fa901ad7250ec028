// What tests look for in events and logs. Used by the tests of what a box does on its own.
import type { Box, Events, RuntimeEvent } from '../../index.mjs'

/** The next event that looks like `wanted`; it must come. The events go on behind it. */
export async function next(events: Events, wanted: object): Promise<RuntimeEvent> {
  const iterator = events[Symbol.asyncIterator]()
  for (;;) {
    const { value: event, done } = await iterator.next()
    if (done) throw new Error(`it never came: ${JSON.stringify(wanted)}`)
    const told = event as unknown as Record<string, unknown>
    if (Object.entries(wanted).every(([key, value]) => told[key] === value)) return event
  }
}

/** What the main process wrote to one stream so far. */
export async function written(box: Box, stream: 'stdout' | 'stderr' = 'stdout'): Promise<string> {
  const pieces: Buffer[] = []
  for await (const entry of box.logs()) if (entry.stream === stream) pieces.push(entry.data)
  return Buffer.concat(pieces).toString()
}
