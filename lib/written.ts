// What a program writes to a Writable of this package, alone or through a pipe. Called by `stdin.ts` and `file-write-stream.ts`.
import type { Writable } from 'node:stream'
import { toBuffer } from './bytes.js'
import { refusedArgument } from './check.js'

/** Bytes in every form, and text as Node's own Writable takes it, in every version. */
export function writtenChunk(operation: string, chunk: unknown, encoding: unknown): string | Buffer {
  if (typeof chunk !== 'string') return toBuffer(operation, 'chunk', chunk)
  if (typeof encoding !== 'string' || Buffer.isEncoding(encoding)) return chunk
  throw refusedArgument(operation, 'encoding', 'an encoding of text', encoding)
}

/** Counts the streams that are piped into `stream`. The returned function says whether there are any: no caller then catches an exception. */
export function pipesInto(stream: Writable): () => boolean {
  let pipes = 0
  stream.on('pipe', () => {
    pipes += 1
  })
  stream.on('unpipe', () => {
    pipes -= 1
  })
  return () => pipes > 0
}
