// What can be written to a file. Used by `fs.ts` and `file-handle.ts`; `bytes.ts` and `chunks.ts` read it.
import { type Bytes, dataToBuffer, isData } from './bytes.js'
import { refusedArgument } from './check.js'
import { type Chunks, chunksOf, DATA, isChunks } from './chunks.js'

/** What can be written: text, bytes, or something that gives them one after the other. */
export type FileData = string | Bytes | Chunks

/**
 * What is to be written, whole or in parts. Whole data is checked here, before a file is opened for it; the chunks of a
 * source are checked when they come.
 */
export function dataOf(
  operation: string,
  data: unknown,
  encoding: BufferEncoding | null | undefined,
): Buffer | AsyncIterable<Buffer> {
  if (isData(data)) return dataToBuffer(operation, 'data', data, encoding)
  if (isChunks(data)) return chunksOf(operation, 'data', data, encoding)
  throw refusedArgument(operation, 'data', DATA, data)
}
