// Data that comes in parts: Node's and the web's streams, iterables, Blobs, as Buffers one after the other. Called by whatever
// reads data of a caller to its end: standard input, whole files, archives. Each part is read by `bytes.ts`.
import { BYTES, type Bytes, dataToBuffer, isData } from './bytes.js'
import { refusedArgument } from './check.js'

/** What gives data in parts. */
export type Chunks =
  | AsyncIterable<string | Bytes>
  | Iterable<string | Bytes>
  | ReadableStream<string | Bytes>
  | { stream(): ReadableStream<Uint8Array> }

/** What data may be, in messages. */
export const DATA = `a string, ${BYTES}, a stream, an iterable of those or a Blob`

/** Whether a value gives data in parts. Text and bytes are iterable too, but count as whole data. */
export function isChunks(value: unknown): value is Chunks {
  return isStream(value) || (isObject(value) && !isData(value) && hasMethod(value, Symbol.iterator))
}

/** Whether a value gives its parts over time: a stream, an async iterable or a Blob, but no array. */
export function isStream(value: unknown): value is Chunks {
  if (!isObject(value) || isData(value)) return false
  return [Symbol.asyncIterator, 'getReader', 'stream'].some(name => hasMethod(value, name))
}

/**
 * The parts of a source, each as bytes. A source that is left early is closed.
 *
 * @throws {@link InvalidArgumentError} naming `operation` and `name` at the first part that is neither text nor bytes
 */
export async function* chunksOf(
  operation: string,
  name: string,
  source: Chunks,
  encoding?: BufferEncoding | null,
): AsyncGenerator<Buffer, void, undefined> {
  for await (const chunk of iterable(operation, name, source)) {
    yield dataToBuffer(operation, `${name}: chunk`, chunk, encoding)
  }
}

function iterable(operation: string, name: string, source: Chunks): AsyncIterable<unknown> | Iterable<unknown> {
  if (isIterable(source)) return source
  // The web streams of other realms may not be iterable.
  if (!('stream' in source)) return partsOf(source)
  const stream: unknown = source.stream()
  if (!isChunks(stream)) throw refusedArgument(operation, name, DATA, source)
  return iterable(operation, name, stream)
}

async function* partsOf(stream: ReadableStream<unknown>): AsyncGenerator<unknown, void, undefined> {
  const reader = stream.getReader()
  let over = false
  try {
    for (;;) {
      const { done, value } = await reader.read()
      over = done
      if (done) return
      yield value
    }
  } finally {
    if (!over) await reader.cancel()
  }
}

function isIterable(value: object): value is AsyncIterable<unknown> | Iterable<unknown> {
  return hasMethod(value, Symbol.asyncIterator) || hasMethod(value, Symbol.iterator)
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null
}

function hasMethod(value: object, name: string | symbol): boolean {
  try {
    return typeof (value as Record<string | symbol, unknown>)[name] === 'function'
  } catch {
    // A proxy or a getter that throws.
    return false
  }
}
