// Whole files: all that one holds, and all that is written to one. Called by `fs.ts` and `file-handle.ts`.
//
// An abort is heard at once, also while the box starts or is slow; what it has begun is told to end.

import { type FileInput, type NativeFiles, settled } from './binding.js'
import { FileError } from './errors.js'
import { untilAborted } from './until-aborted.js'

/** The most that is collected: what a Node Buffer holds. */
const MOST = 2 ** 31 - 1

/** All bytes of a file, decoded where that is asked for. */
export async function collect(
  native: NativeFiles,
  input: Omit<FileInput, 'operation'>,
  encoding?: BufferEncoding | 'buffer' | null,
  signal?: AbortSignal,
): Promise<string | Buffer> {
  const data = await untilAborted('read file', signal, async ending => {
    const reader = await settled(native.read({ operation: 'READ', ...input }))
    ending(() => reader.close())
    const chunks: Buffer[] = []
    let size = 0
    for (;;) {
      const chunk = await settled(reader.pull())
      if (chunk === null) return chunks.length === 1 && chunks[0] ? chunks[0] : Buffer.concat(chunks, size)
      size += chunk.length
      chunks.push(chunk)
      if (size > MOST) {
        reader.close()
        throw tooLarge()
      }
    }
  })
  return encoding && encoding !== 'buffer' ? data.toString(encoding) : data
}

function tooLarge(): FileError {
  return new FileError('EFBIG', `read file: it has more than the ${MOST} bytes that fit in a Buffer`, {
    hint: 'read it as a stream: `createReadStream`',
  })
}

/** Writes a whole file. */
export function send(
  native: NativeFiles,
  input: Omit<FileInput, 'operation'>,
  parts: AsyncIterable<Buffer> | Iterable<Buffer>,
  signal?: AbortSignal,
): Promise<void> {
  return untilAborted('write file', signal, async ending => {
    const writer = await settled(native.write({ operation: 'WRITE', ...input }))
    ending(() => writer.abort())
    try {
      for await (const bytes of parts) await settled(writer.push(bytes))
    } catch (error) {
      // A source that fails: what it gave before is written, as in Node.
      await writer.finish()
      throw error
    }
    await settled(writer.finish())
  })
}
