// `FileWriteStream`: a file in a box as a Writable. Made by `fs.ts` and `file-handle.ts`.
//
// The stream takes the next chunk only when the box has taken the last one.
import { Writable } from 'node:stream'
import { type Answer, type NativeFileWriter, settled } from './binding.js'
import type { FilePath } from './file-path.js'
import type { HandleWriteStreamOptions } from './options/file-streams.js'
import { StreamFile, type StreamHandle } from './stream-file.js'
import { pipesInto, writtenChunk } from './written.js'

type Done = (error?: Error | null) => void

/** A file that is being written. Emits `open` and `ready` when it is open, and `close` when it is closed. */
export class FileWriteStream extends Writable {
  /** The path as it was given; `undefined` if the stream was made by a handle. */
  readonly path: FilePath | undefined
  /** Bytes that the box has been given. */
  bytesWritten = 0
  #file: StreamFile<NativeFileWriter>
  #autoClose: boolean
  #isPiped = pipesInto(this)

  /** @internal */
  constructor(
    open: () => Answer<NativeFileWriter>,
    options: HandleWriteStreamOptions,
    path?: FilePath,
    handle?: StreamHandle,
  ) {
    const { encoding, highWaterMark = 262_144, autoClose = true, emitClose = true, signal } = options
    super({ highWaterMark, defaultEncoding: encoding ?? 'utf8', autoDestroy: autoClose, emitClose })
    this.path = path
    this.#autoClose = autoClose
    this.#file = new StreamFile(this, () => settled(open()), handle, signal)
    // Nothing waits for the file to be open: what is written goes right behind the request to open it.
    this.#file.opening = writer => settled(writer.opened())
    // What the box was given is written even if the stream is destroyed; only an abort does not wait for that.
    this.#file.ended = (writer, error) => (error?.name === 'AbortError' ? writer.abort() : writer.finish())
  }

  /** Whether the file is not open yet, or no longer open. */
  get pending(): boolean {
    return this.#file.fileless
  }

  /** The number of the handle that made the stream, until it is closed; otherwise `null`. */
  get fd(): number | null {
    return this.#file.fd
  }

  // biome-ignore lint/suspicious/noExplicitAny: as Node declares it, so that callers need not
  override write(chunk: any, encoding?: BufferEncoding | Done | null, done?: Done): boolean {
    let data: string | Buffer
    try {
      data = writtenChunk('createWriteStream', chunk, encoding)
    } catch (error) {
      // An exception could not be caught in a stream that is piped here.
      if (!this.#isPiped()) throw error
      return this.destroy(error as Error).writable
    }
    return super.write(data, encoding as BufferEncoding, done)
  }

  override end(chunk?: unknown, encoding?: BufferEncoding | Done, done?: Done): this {
    if (typeof chunk === 'function' || chunk === undefined || chunk === null) return super.end(chunk as () => void)
    return super.end(writtenChunk('createWriteStream', chunk, encoding), encoding as BufferEncoding, done as () => void)
  }

  /** Writes what it has been given and closes the file; `done` is called when that is done. */
  close(done?: (error?: Error | null) => void): void {
    if (done) {
      if (this.closed) process.nextTick(done)
      else this.on('close', done)
    }
    if (!this.#autoClose) this.on('finish', () => this.destroy())
    this.end()
  }

  override _construct(done: (error?: Error | null) => void): void {
    this.#file.begin(done)
  }

  override _write(data: Buffer, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    settled(this.#file.opened.push(data)).then(() => {
      this.bytesWritten += data.length
      done()
    }, done)
  }

  override _writev(chunks: { chunk: Buffer }[], done: (error?: Error | null) => void): void {
    this._write(Buffer.concat(chunks.map(({ chunk }) => chunk)), 'utf8', done)
  }

  override _final(done: (error?: Error | null) => void): void {
    const finished = settled(this.#file.opened.finish())
    Promise.all([finished, this.#file.settled]).then(() => done(), done)
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.#file.end(error, done)
  }
}
