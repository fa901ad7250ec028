// Whole files: all that one holds, and all that is written to one. Called by `fs.ts` and `file-handle.ts`, calls the addon.
//
// An abort rejects at once, also while the box starts or is slow, and ends what was begun.
import { type Answer, type NativeFileReader, type NativeFileWriter, settled } from './binding.js'
import { untilAborted } from './until-aborted.js'

/** The most bytes that are collected: what a Node Buffer holds. */
const MOST = 2 ** 31 - 1

/** Most bytes of one call of the addon, which copies them. */
export const CROSSING = 1_048_576

/** A file to be read: in one call, or as a stream, which can be ended. */
export interface Source {
  whole(max: number): Answer<Buffer>
  stream(): Answer<NativeFileReader>
}

/** A file to be written: in one call, or as a stream. */
export interface Target {
  whole(data: Buffer): Answer<void>
  stream(): Answer<NativeFileWriter>
}

/** All bytes of a file, decoded if an encoding is given. */
export async function collect(
  source: Source,
  encoding?: BufferEncoding | 'buffer' | null,
  signal?: AbortSignal,
): Promise<string | Buffer> {
  const data = signal === undefined ? await settled(source.whole(MOST)) : await collectUntil(source, signal)
  return encoding && encoding !== 'buffer' ? data.toString(encoding) : data
}

function collectUntil(source: Source, signal: AbortSignal): Promise<Buffer> {
  return untilAborted('read file', signal, async ending => {
    const reader = await settled(source.stream())
    ending(() => reader.close())
    const chunks: Buffer[] = []
    for (;;) {
      const chunk = await settled(reader.pull())
      if (chunk === null) return Buffer.concat(chunks)
      chunks.push(chunk)
    }
  })
}

/** Writes a whole file: in one call what fits in one, otherwise as a stream. */
export function send(target: Target, data: Buffer | AsyncIterable<Buffer>, signal?: AbortSignal): Promise<void> {
  return untilAborted('write file', signal, async ending => {
    if (Buffer.isBuffer(data) && data.length <= CROSSING) return settled(target.whole(data))
    const writer = await settled(target.stream())
    ending(() => writer.abort())
    try {
      for await (const chunk of Buffer.isBuffer(data) ? [data] : data) {
        for (const bytes of crossings(chunk)) await settled(writer.push(bytes))
      }
    } catch (error) {
      // What a source gave before it failed is written, as in Node.
      await writer.finish()
      throw error
    }
    await settled(writer.finish())
  })
}

/** The parts of `data` that cross into the addon one at a time. */
export function* crossings(data: Buffer): Generator<Buffer> {
  for (let at = 0; at < data.length; at += CROSSING) yield data.subarray(at, at + CROSSING)
}
