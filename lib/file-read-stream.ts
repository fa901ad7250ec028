// `FileReadStream`: a file in a box as a Readable. Made by `fs.ts` and `file-handle.ts`.
//
// The stream asks the box for the next chunk only when Node asks for it.
import { finished, Readable } from 'node:stream'
import { type Answer, type NativeFileReader, settled } from './binding.js'
import type { FilePath } from './file-path.js'
import type { HandleReadStreamOptions } from './options/file-streams.js'
import { StreamFile, type StreamHandle } from './stream-file.js'

/** A file that is being read. Emits `open` and `ready` when it is open, and `close` when it is closed. */
export class FileReadStream extends Readable {
  /** As it was given; of a handle's stream `undefined`. */
  readonly path: FilePath | undefined
  /** Bytes read so far. */
  bytesRead = 0
  #file: StreamFile<NativeFileReader>
  #rest: Buffer | undefined
  /** The most bytes of a chunk, where that was asked for. */
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

  /** Whether the file is not open: not yet, or no more. */
  get pending(): boolean {
    return this.#file.fileless
  }

  /** Of a handle's stream its number, until it is closed. */
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
