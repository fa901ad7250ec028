// `Stdin`: an execution's standard input as a Node Writable, and what writes the `stdin` option to it. Made by `execution.ts` and
// `exec.ts`, calls the native `write`.
//
// A write completes when there is room further on, so a process that does not read holds its writer back.
import { pipeline, Readable, Transform, Writable } from 'node:stream'
import { type NativeExecution, settled } from './binding.js'
import { type Bytes, dataToBuffer, isData } from './bytes.js'
import { type Chunks, chunksOf } from './chunks.js'
import { ExecutionError, InvalidArgumentError } from './errors.js'
import { pipesInto, writtenChunk } from './written.js'

/** Bytes of one message to the box. */
const MESSAGE_BYTES = 262_144

/** The operation that errors name. */
const WRITE = 'execution.stdin'

type Done = (error?: Error | null) => void

/** The native half of an execution, or of a command that is collected. */
type Sink = Pick<NativeExecution, 'write' | 'closeStdin'>

export class Stdin extends Writable {
  #execution: Promise<Sink>
  #refused: (error: Error) => void
  #isPiped = pipesInto(this)

  /** `refused` is called with the error of a chunk that is no bytes where no caller can catch it: in a stream that is piped here. */
  constructor(execution: Promise<Sink>, refused: (error: Error) => void) {
    super({ highWaterMark: MESSAGE_BYTES })
    this.#execution = execution
    this.#refused = refused
  }

  // biome-ignore lint/suspicious/noExplicitAny: as Node declares it, so that callers need not
  override write(chunk: any, encoding?: BufferEncoding | Done | null, done?: Done): boolean {
    let data: unknown
    try {
      data = writtenChunk(WRITE, chunk, encoding)
    } catch (error) {
      if (!this.#isPiped()) throw error
      this.#refused(error as Error)
      return this.#quietly(() => this.destroy(error as Error)).writable
    }
    return super.write(data, encoding as BufferEncoding, done)
  }

  override end(chunk?: unknown, encoding?: BufferEncoding | Done, done?: Done): this {
    if (typeof chunk === 'function' || chunk === undefined || chunk === null) {
      return super.end(chunk as () => void)
    }
    return super.end(writtenChunk(WRITE, chunk, encoding), encoding as BufferEncoding, done as () => void)
  }

  override _write(data: Buffer, _encoding: BufferEncoding, done: Done): void {
    this.#report(this.#send(data), done)
  }

  override _writev(chunks: { chunk: Buffer }[], done: Done): void {
    this._write(Buffer.concat(chunks.map(({ chunk }) => chunk)), 'utf8', done)
  }

  override _final(done: Done): void {
    this.#report(this.#close(), done)
  }

  #report(work: Promise<void>, done: Done): void {
    work.then(
      () => done(),
      error => this.#quietly(() => done(error)),
    )
  }

  async #send(data: Buffer): Promise<void> {
    const execution = await this.#execution
    for (let sent = 0; sent < data.length && !this.destroyed; sent += MESSAGE_BYTES) {
      await settled(execution.write(data.subarray(sent, sent + MESSAGE_BYTES)))
    }
  }

  async #close(): Promise<void> {
    await settled((await this.#execution).closeStdin())
  }

  /** Fails with an `error` event that need not be listened for: each write reports the failure, and so do `wait()` and the output. */
  #quietly(fail: () => unknown): this {
    // This also covers a stream that is piped here: it rethrows errors without another listener.
    this.once('error', () => {})
    fail()
    return this
  }
}

/**
 * Parses the `stdin` option: `'none'`, or a function that writes an execution's standard input and reports failures.
 * Throws for memory that is gone.
 */
export function preparedInput(
  source: string | Bytes | Chunks,
): 'none' | ((stdin: Writable, failed: (error: Error) => void) => void) {
  if (source === 'none') return 'none'
  if (isData(source)) {
    const data = dataToBuffer(WRITE, 'data', source)
    return stdin => stdin.end(data)
  }
  return (stdin, failed) => {
    const done = (error?: Error | null) => error && failed(sourceError(error))
    let input: NodeJS.ReadableStream
    try {
      input = streamOf(source)
    } catch (error) {
      // The iterable can't be started, but the process has been: its end reports the failure.
      done(error as Error)
      return
    }
    if (input instanceof Readable && !input.readableObjectMode) pipeline(input, stdin, done)
    else pipeline(input, asBytes(), stdin, done)
  }
}

/** Wraps a source as a stream. Node streams and iterables are closed at once when the process ends; a web stream at its next chunk. */
function streamOf(source: Chunks): NodeJS.ReadableStream {
  const { pipe, on } = source as Partial<Record<'pipe' | 'on', unknown>>
  if (typeof pipe === 'function' && typeof on === 'function') return source as unknown as NodeJS.ReadableStream
  if (Symbol.asyncIterator in source || Symbol.iterator in source) {
    return Readable.from(source as Iterable<unknown>)
  }
  return Readable.from(chunksOf(WRITE, 'source', source))
}

function asBytes(): Transform {
  return new Transform({
    writableObjectMode: true,
    transform(chunk, encoding, done) {
      let data: Buffer
      try {
        data = dataToBuffer(WRITE, 'chunk', chunk, encoding)
      } catch (error) {
        done(error as Error)
        return
      }
      done(null, data)
    },
  })
}

/** The error of an execution that was ended because its source failed. */
function sourceError(error: Error): Error {
  if (error instanceof InvalidArgumentError) return error
  return new ExecutionError('EXEC_INPUT_FAILED', `${WRITE}: its source failed: ${error.message}`, { cause: error })
}
