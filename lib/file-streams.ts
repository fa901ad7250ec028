// A file in a box as a Node stream, either way. Made by `fs.ts` and `file-handle.ts`.
//
// Each asks the box for the next chunk only when Node asks, and takes the next only when the box has taken the last.
import { Readable, Writable } from 'node:stream'
import { type FileInput, type NativeFileReader, type NativeFiles, type NativeFileWriter, settled } from './binding.js'
import { flagBits, type OpenFlags } from './file-flags.js'

/** How to read a file as a stream. */
export interface ReadStreamOptions {
  /** First byte. Default: 0; of a handle its current position. */
  start?: number
  /** Last byte, which is included. Default: the end of the file. */
  end?: number
  /** Decode to strings. Default: bytes. */
  encoding?: BufferEncoding
  /** Bytes to hold ready. Default: 64 KiB. */
  highWaterMark?: number
  /** Destroys the stream with an `AbortError`. */
  signal?: AbortSignal
}

/** How to write a file as a stream. */
export interface WriteStreamOptions {
  /** Default: `'w'`. */
  flags?: OpenFlags
  /** Permissions of a new file. Default: `0o666`, less the box's umask of `0o022`. */
  mode?: number
  /** Position of the first byte. Default: where the flags put it. */
  start?: number
  /** Encoding of strings. Default: `'utf8'`. */
  encoding?: BufferEncoding
  /** Destroys the stream with an `AbortError`. */
  signal?: AbortSignal
}

type Subject = Pick<FileInput, 'path' | 'handle'>

/** A file that is being read. */
export class FileReadStream extends Readable {
  /** Bytes read so far. */
  bytesRead = 0
  #reader: Promise<NativeFileReader>

  constructor(native: NativeFiles, subject: Subject, options: ReadStreamOptions) {
    const { start, end, encoding, highWaterMark = 65_536, signal } = options
    super({ highWaterMark, ...(encoding && { encoding }), ...(signal && { signal }) })
    const offset = start ?? (end === undefined || subject.handle !== undefined ? undefined : 0)
    const length = end === undefined ? undefined : Math.max(0, end - (start ?? 0) + 1)
    this.#reader = settled(native.read({ operation: 'READ', ...subject, offset, length }))
    this.#reader.catch(() => {})
  }

  override _read(): void {
    this.#reader
      .then(reader => settled(reader.pull()))
      .then(
        chunk => {
          this.bytesRead += chunk?.length ?? 0
          this.push(chunk)
        },
        error => this.destroy(error),
      )
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.#reader.then(reader => reader.close()).catch(() => {})
    done(error)
  }
}

/** A file that is being written. */
export class FileWriteStream extends Writable {
  /** Bytes that the box has been given. */
  bytesWritten = 0
  #writer: Promise<NativeFileWriter>

  constructor(native: NativeFiles, subject: Subject, options: WriteStreamOptions) {
    const { flags = 'w', mode = 0o666, start, encoding = 'utf8', signal } = options
    super({ highWaterMark: 262_144, defaultEncoding: encoding, ...(signal && { signal }) })
    const input = { operation: 'WRITE', ...subject, flags: flagBits(flags), mode, offset: start }
    this.#writer = settled(native.write(input))
    this.#writer.catch(() => {})
  }

  override _write(data: Buffer, _encoding: BufferEncoding, done: (error?: Error) => void): void {
    this.#writer
      .then(writer => settled(writer.push(data)))
      .then(() => {
        this.bytesWritten += data.length
        done()
      }, done)
  }

  override _writev(chunks: { chunk: Buffer }[], done: (error?: Error) => void): void {
    this._write(Buffer.concat(chunks.map(({ chunk }) => chunk)), 'utf8', done)
  }

  override _final(done: (error?: Error) => void): void {
    this.#writer.then(writer => settled(writer.finish())).then(() => done(), done)
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    // Lets the file go; after a regular end this does nothing.
    this.#writer.then(writer => writer.finish()).catch(() => {})
    done(error)
  }
}
