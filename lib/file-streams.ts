// A file in a box as a Node stream, either way. Made by `fs.ts` and `file-handle.ts`.
//
// The file is opened at once, as by Node: one that is not there is told though nobody reads. Each stream asks the box for the next
// chunk only when Node asks, and takes the next only when the box has taken the last.
import { finished, Readable, Writable } from 'node:stream'
import { onAbort } from './abort.js'
import { type FileInput, type NativeFileReader, type NativeFiles, type NativeFileWriter, settled } from './binding.js'
import { toBuffer } from './bytes.js'
import { boolean, checkOptions, integer, refusedArgument, type Shape } from './check.js'
import { aborted, InternalError } from './errors.js'
import { flagBits, flags, type OpenFlags } from './file-flags.js'
import { type FileMode, mode, modeBits } from './file-mode.js'
import { encoding, encodingOrBuffer, type FilePath, withEncoding } from './file-path.js'
import { abortSignal } from './options/values.js'
import { untilAborted } from './until-aborted.js'

/** What the streams of both directions have in common. */
interface StreamOptions {
  /** Position of the first byte. Default: 0; of a handle its current position, and of flags where they put it. */
  start?: number | undefined
  /** Close the file when the stream has ended or failed. Default: `true`. */
  autoClose?: boolean | undefined
  /** Emit `close` when the stream is destroyed. Default: `true`. */
  emitClose?: boolean | undefined
  /** Bytes to hold ready. Default: of reading 64 KiB, of writing 256 KiB. */
  highWaterMark?: number | undefined
  /** Destroys the stream with an `AbortError`. */
  signal?: AbortSignal | undefined
}

/** How to read an open file as a stream. */
export interface HandleReadStreamOptions extends StreamOptions {
  /** Last byte, which is included. Default: the end of the file. */
  end?: number | undefined
  /** Decode to strings. Default: bytes. */
  encoding?: BufferEncoding | null | undefined
}

/** How to read a file as a stream. */
export interface ReadStreamOptions extends HandleReadStreamOptions {
  /** Default: `'r'`. */
  flags?: OpenFlags | undefined
  /** Permissions, where the flags make a file. Default: `0o666`, less the umask of `0o022`. */
  mode?: FileMode | undefined
}

/** How to write to an open file as a stream. */
export interface HandleWriteStreamOptions extends StreamOptions {
  /** Encoding of strings. Default: `'utf8'`. */
  encoding?: BufferEncoding | null | undefined
  /** Bring it to the box's disk before `finish`. Default: `false`. */
  flush?: boolean | undefined
}

/** How to write a file as a stream. */
export interface WriteStreamOptions extends HandleWriteStreamOptions {
  /** Default: `'w'`. */
  flags?: OpenFlags | undefined
  /** Permissions of a new file. Default: `0o666`, less the umask of `0o022`. */
  mode?: FileMode | undefined
}

const size = integer(0, Number.MAX_SAFE_INTEGER)
const BOTH: Shape<StreamOptions> = {
  start: size,
  autoClose: boolean,
  emitClose: boolean,
  highWaterMark: size,
  signal: abortSignal,
}
const end = {
  ...size,
  expected: `${size.expected} or Infinity`,
  holds: (v: unknown) => v === Infinity || size.holds(v),
}
const HANDLE_READ: Shape<HandleReadStreamOptions> = { ...BOTH, end, encoding: encodingOrBuffer }
const READ: Shape<ReadStreamOptions> = { ...HANDLE_READ, flags, mode }
const HANDLE_WRITE: Shape<HandleWriteStreamOptions> = { ...BOTH, encoding, flush: boolean }
const WRITE: Shape<WriteStreamOptions> = { ...HANDLE_WRITE, flags, mode }

/** Throws unless the options of a stream that reads a path are right. */
export const checkReadStream = (operation: string, options: unknown) => checkRead(operation, options, READ)
/** Throws unless the options of a stream that reads an open file are right. */
export const checkHandleReadStream = (operation: string, options: unknown) => checkRead(operation, options, HANDLE_READ)
/** Throws unless the options of a stream that writes a path are right. */
export const checkWriteStream = (operation: string, options: unknown) => checkWrite(operation, options, WRITE)
/** Throws unless the options of a stream that writes an open file are right. */
export const checkHandleWriteStream = (operation: string, options: unknown) =>
  checkWrite(operation, options, HANDLE_WRITE)

function checkRead(operation: string, options: unknown, shape: Shape<HandleReadStreamOptions>): ReadStreamOptions {
  const given = withEncoding<ReadStreamOptions>(operation, options, encodingOrBuffer)
  checkOptions(operation, given, shape)
  const { start = 0, end = Infinity } = given
  if (start > end) throw refusedArgument(operation, 'start', `no more than \`end\`, which is ${end}`, start)
  return given
}

function checkWrite(operation: string, options: unknown, shape: Shape<HandleWriteStreamOptions>): WriteStreamOptions {
  const given = withEncoding<WriteStreamOptions>(operation, options, encoding)
  checkOptions(operation, given, shape)
  return given
}

type Done = (error?: Error | null) => void
type Subject = Pick<FileInput, 'path' | 'handle'>

/** The handle that a stream was made by, and closes. */
interface Handle {
  readonly fd: number
  close(): Promise<void>
  on(event: 'close', listener: () => void): unknown
  off(event: 'close', listener: () => void): unknown
}

/** A file that is being read. Emits `open` and `ready` when it is open, and `close` when it is let go. */
export class FileReadStream extends Readable {
  /** As it was given; of a handle's stream `undefined`. */
  readonly path: FilePath | undefined
  /** Bytes read so far. */
  bytesRead = 0
  #life: StreamLife<NativeFileReader>
  #rest: Buffer | undefined
  /** The most bytes of a chunk, where that was asked for. */
  #most: number

  /** @internal */
  constructor(native: NativeFiles, subject: Subject, options: ReadStreamOptions, path?: FilePath, handle?: Handle) {
    const { start, end = Infinity, encoding, highWaterMark, autoClose = true, emitClose = true, signal } = options
    const decoded = encoding && (encoding as string) !== 'buffer' ? { encoding } : {}
    super({ highWaterMark: highWaterMark ?? 65_536, autoDestroy: autoClose, emitClose, ...decoded })
    this.path = path
    this.#most = Math.max(1, highWaterMark ?? Infinity)
    const input: FileInput = { operation: 'READ', ...subject, offset: start, opened: true }
    if (end !== Infinity) input.length = end - (start ?? 0) + 1
    if (handle === undefined) {
      input.offset ??= 0
      input.flags = flagBits(options.flags ?? 'r')
      input.mode = modeBits('fs.createReadStream', options.mode, 0o666)
    }
    this.#life = new StreamLife(this, () => settled(native.read(input)), handle, signal)
    this.#life.ended = reader => reader.close()
  }

  /** Whether the file is not open: not yet, or no more. */
  get pending(): boolean {
    return this.#life.fileless
  }

  /** Of a handle's stream its number, until it is closed. */
  get fd(): number | null {
    return this.#life.fd
  }

  /** Lets the file go; `done` is called when that is done. */
  close(done?: (error?: Error | null) => void): void {
    if (done) finished(this, done)
    this.destroy()
  }

  override _construct(done: (error?: Error | null) => void): void {
    this.#life.begin(done)
  }

  override _read(): void {
    const rest = this.#rest
    if (rest !== undefined) {
      // Later, as what is read comes: Node joins what is pushed while it asks.
      process.nextTick(() => this.#hand(rest))
      return
    }
    settled(this.#life.opened.pull()).then(
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
    this.#life.end(error, done)
  }
}

/** A file that is being written. Emits `open` and `ready` when it is open, and `close` when it is let go. */
export class FileWriteStream extends Writable {
  /** As it was given; of a handle's stream `undefined`. */
  readonly path: FilePath | undefined
  /** Bytes that the box has been given. */
  bytesWritten = 0
  #life: StreamLife<NativeFileWriter>
  #autoClose: boolean
  #pipes = 0

  /** @internal */
  constructor(native: NativeFiles, subject: Subject, options: WriteStreamOptions, path?: FilePath, handle?: Handle) {
    const { start, encoding, highWaterMark = 262_144, autoClose = true, emitClose = true, flush, signal } = options
    super({ highWaterMark, defaultEncoding: encoding ?? 'utf8', autoDestroy: autoClose, emitClose })
    this.path = path
    this.#autoClose = autoClose
    const input: FileInput = { operation: 'WRITE', ...subject, offset: start, flush }
    if (handle === undefined) {
      input.flags = flagBits(options.flags ?? 'w')
      input.mode = modeBits('fs.createWriteStream', options.mode, 0o666)
    }
    this.#life = new StreamLife(this, () => settled(native.write(input)), handle, signal)
    this.on('pipe', () => {
      this.#pipes += 1
    })
    this.on('unpipe', () => {
      this.#pipes -= 1
    })
    // Nothing waits for the file to be open: what is written goes right behind the word to open it.
    this.#life.opening = writer => settled(writer.opened())
    // What the box was given is written, also where the stream is destroyed; of an abort nobody waits for it.
    this.#life.ended = (writer, error) => (error?.name === 'AbortError' ? writer.abort() : writer.finish())
  }

  /** Whether the file is not open: not yet, or no more. */
  get pending(): boolean {
    return this.#life.fileless
  }

  /** Of a handle's stream its number, until it is closed. */
  get fd(): number | null {
    return this.#life.fd
  }

  // biome-ignore lint/suspicious/noExplicitAny: as Node declares it, so that callers need not
  override write(chunk: any, encoding?: BufferEncoding | Done | null, done?: Done): boolean {
    let data: string | Buffer
    try {
      data = accepted(chunk, encoding)
    } catch (error) {
      // Nobody can catch what is thrown to a stream that is piped here.
      if (this.#pipes === 0) throw error
      return this.destroy(error as Error).writable
    }
    return super.write(data, encoding as BufferEncoding, done)
  }

  override end(chunk?: unknown, encoding?: BufferEncoding | Done, done?: Done): this {
    if (typeof chunk === 'function' || chunk === undefined || chunk === null) return super.end(chunk as () => void)
    return super.end(accepted(chunk, encoding), encoding as BufferEncoding, done as () => void)
  }

  /** Writes what it has been given and lets the file go; `done` is called when that is done. */
  close(done?: (error?: Error | null) => void): void {
    if (done) {
      if (this.closed) process.nextTick(done)
      else this.on('close', done)
    }
    if (!this.#autoClose) this.on('finish', () => this.destroy())
    this.end()
  }

  override _construct(done: (error?: Error | null) => void): void {
    this.#life.begin(done)
  }

  override _write(data: Buffer, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    settled(this.#life.opened.push(data)).then(() => {
      this.bytesWritten += data.length
      done()
    }, done)
  }

  override _writev(chunks: { chunk: Buffer }[], done: (error?: Error | null) => void): void {
    this._write(Buffer.concat(chunks.map(({ chunk }) => chunk)), 'utf8', done)
  }

  override _final(done: (error?: Error | null) => void): void {
    const finished = settled(this.#life.opened.finish())
    Promise.all([finished, this.#life.stood]).then(() => done(), done)
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.#life.end(error, done)
  }
}

/** Bytes in every form, and text as Node takes it. */
function accepted(chunk: unknown, encoding: unknown): string | Buffer {
  if (typeof chunk !== 'string') return toBuffer('createWriteStream', 'chunk', chunk)
  if (typeof encoding !== 'string' || Buffer.isEncoding(encoding)) return chunk
  throw refusedArgument('createWriteStream', 'encoding', 'an encoding of text', encoding)
}

/** Opens the file of a stream, and lets it go: what both directions do alike. */
class StreamLife<File> {
  file: File | undefined
  /** Tells the native half that no more is read or written. */
  ended: (file: File, error: Error | null) => unknown = () => {}
  /** Resolves when the file is open. */
  opening: (file: File) => Promise<void> = async () => {}
  /** Resolves when that has been told. */
  stood: Promise<void> = Promise.resolve()
  #isOpen = false
  #stream: Readable | Writable
  #open: () => Promise<File>
  #handle: Handle | undefined
  #signal: AbortSignal | undefined
  #forget: (() => void) | undefined
  #over = false
  #closed = () => (this.#stream instanceof Writable ? this.#stream.end() : this.#stream.destroy())

  constructor(
    stream: Readable | Writable,
    open: () => Promise<File>,
    handle: Handle | undefined,
    signal: AbortSignal | undefined,
  ) {
    this.#stream = stream
    this.#open = open
    this.#handle = handle
    this.#signal = signal
    handle?.on('close', this.#closed)
  }

  /** The open file: Node asks for nothing before. */
  get opened(): File {
    if (this.file === undefined) throw new InternalError('INTERNAL', 'stream file: it is not open yet')
    return this.file
  }

  /** Whether there is no open file yet, or no more. */
  get fileless(): boolean {
    return this.#over || !this.#isOpen
  }

  get fd(): number | null {
    return this.#over ? null : (this.#handle?.fd ?? null)
  }

  begin(done: (error?: Error | null) => void): void {
    const signal = this.#signal
    const opening = untilAborted('stream file', signal, async ending => {
      const file = await this.#open()
      // Aborted while it was opened.
      ending(() => this.file === undefined && this.ended(file, aborted('stream file', signal as AbortSignal)))
      return file
    })
    opening.then(file => {
      this.file = file
      this.#forget = onAbort(signal, () => this.#stream.destroy(aborted('stream file', signal as AbortSignal)))
      done()
      this.stood = this.opening(file).then(
        () => this.#stands(),
        error => void this.#stream.destroy(error),
      )
    }, done)
  }

  #stands(): void {
    if (this.#over) return
    this.#isOpen = true
    this.#stream.emit('open', this.fd)
    this.#stream.emit('ready')
  }

  end(error: Error | null, done: (error?: Error | null) => void): void {
    this.#forget?.()
    this.#handle?.off('close', this.#closed)
    this.#over = true
    const letGo = async () => {
      if (this.file !== undefined) await this.ended(this.file, error)
      await this.#handle?.close()
    }
    letGo().then(
      () => done(error),
      failure => done(error ?? failure),
    )
  }
}
