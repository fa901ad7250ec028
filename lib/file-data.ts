// What can be written to a file, and times, in the forms that Node takes. Used by `fs.ts` and `file-handle.ts`.
import type { Readable } from 'node:stream'

/** Bytes of one call of the native half: it copies them, so a large buffer goes in parts. */
const PART = 1_048_576

/** What can be written: text, bytes, or something that gives them one after the other. */
export type FileData =
  | string
  | NodeJS.ArrayBufferView
  | Readable
  | AsyncIterable<string | NodeJS.ArrayBufferView>
  | Iterable<string | NodeJS.ArrayBufferView>

/** A moment: a Date, or seconds since the epoch as a number or a string, as in Node. */
export type Time = Date | number | string

export async function* bytesOf(data: FileData, encoding?: BufferEncoding | null): AsyncGenerator<Buffer> {
  if (typeof data !== 'string' && !ArrayBuffer.isView(data)) {
    for await (const part of data) yield* bytesOf(part, encoding)
    return
  }
  const bytes =
    typeof data === 'string'
      ? Buffer.from(data, encoding ?? 'utf8')
      : Buffer.from(data.buffer, data.byteOffset, data.byteLength)
  for (let at = 0; at < bytes.length; at += PART) yield bytes.subarray(at, at + PART)
}

export function timeMs(time: Time): number {
  if (time instanceof Date) return time.getTime()
  return Number(time) * 1000
}
