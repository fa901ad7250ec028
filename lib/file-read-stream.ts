// `FileReadStream`: a file in a box as a Readable. Made by `fs.ts` and `file-handle.ts`.
//
// The stream fetches the next chunk only when Node reads it.
import { finished, Readable } from 'node:stream'
import { type Answer, type NativeFileReader, settled } from './binding.js'
import type { FilePath } from './file-path.js'
import type { HandleReadStreamOptions } from './options/file-streams.js'
import { StreamFile, type StreamHandle } from './stream-file.js'

/** A file that is being read. Emits `open` and `ready` when it is open, and `close` when it is closed. */
export class FileReadStream extends Readable {
  /** The path as it was given; `undefined` if the stream was made by a handle. */
  readonly path: FilePath | undefined
  /** Bytes read so far. */
  bytesRead = 0
  #file: StreamFile<NativeFileReader>
  #rest: Buffer | undefined
  /** The most bytes of a chunk. */
  #most: number

  /** @internal */
  constructor(
    open: () => Answer<NativeFileReader>,
    options: HandleReadStreamOptions,
    path?: FilePath,
    handle?: StreamHandle,
  ) {
    const { encoding, highWaterMark, autoClose = true, emitClose = true, signal } = options
    const decoded = encoding && (encoding as string) !== 'buffer' ? { encoding } : {}
    super({ highWaterMark: highWaterMark ?? 65_536, autoDestroy: autoClose, emitClose, ...decoded })
    this.path = path
    this.#most = Math.max(1, highWaterMark ?? Infinity)
    this.#file = new StreamFile(this, () => settled(open()), handle, signal)
    this.#file.ended = reader => reader.close()
  }

  /** Whether the file is not open yet, or no longer open. */
  get pending(): boolean {
    return this.#file.fileless
  }

  /** The number of the handle that made the stream, until it is closed; otherwise `null`. */
  get fd(): number | null {
    return this.#file.fd
  }

  /** Closes the file; `done` is called when that is done. */
  close(done?: (error?: Error | null) => void): void {
    if (done) finished(this, done)
    this.destroy()
  }

  override _construct(done: (error?: Error | null) => void): void {
    this.#file.begin(done)
  }

  override _read(): void {
    const rest = this.#rest
    if (rest !== undefined) {
      // Deferred, like data that arrives: Node joins what is pushed during `_read`.
      process.nextTick(() => this.#hand(rest))
      return
    }
    settled(this.#file.opened.pull()).then(
      chunk => {
        if (chunk === null) this.push(null)
        else this.#hand(chunk)
      },
      error => this.destroy(error),
    )
  }

  #hand(chunk: Buffer): void {
    if (this.destroyed) return
    const part = chunk.length > this.#most ? chunk.subarray(0, this.#most) : chunk
    this.#rest = part.length < chunk.length ? chunk.subarray(part.length) : undefined
    this.bytesRead += part.length
    this.push(part)
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.#file.end(error, done)
  }
}
