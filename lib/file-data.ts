// What can be written to a file, in parts. Used by `fs.ts` and `file-handle.ts`; `bytes.ts` and `chunks.ts` read it.
import { type Bytes, dataToBuffer, isData } from './bytes.js'
import { refusedArgument } from './check.js'
import { type Chunks, chunksOf, DATA, isChunks } from './chunks.js'

/** Bytes of one call of the native half: it copies them, so a large buffer goes in parts. */
const PART = 1_048_576

/** What can be written: text, bytes, or something that gives them one after the other. */
export type FileData = string | Bytes | Chunks

/**
 * The parts of what is to be written. What comes whole is looked at here, before a file is opened for it; of a source each chunk is
 * looked at when it comes.
 */
export function partsOf(
  operation: string,
  data: unknown,
  encoding: BufferEncoding | null | undefined,
): AsyncIterable<Buffer> | Iterable<Buffer> {
  if (isData(data)) return cut(dataToBuffer(operation, 'data', data, encoding))
  if (isChunks(data)) return cutEach(chunksOf(operation, 'data', data, encoding))
  throw refusedArgument(operation, 'data', DATA, data)
}

async function* cutEach(chunks: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  for await (const chunk of chunks) yield* cut(chunk)
}

function* cut(bytes: Buffer): Generator<Buffer> {
  for (let at = 0; at < bytes.length; at += PART) yield bytes.subarray(at, at + PART)
}
