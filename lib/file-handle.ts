// `FileHandle`: an open file in a box, as Node's. Made by `fs.ts`.
import { EventEmitter } from 'node:events'
import { createInterface, type Interface } from 'node:readline'
import { ReadableStream } from 'node:stream/web'
import { type FileInput, type FileOutput, type NativeFiles, settled } from './binding.js'
import { guardMembers } from './bound.js'
import { toBuffer } from './bytes.js'
import { boolean, checkArgument, checkOptions, object, type Shape } from './check.js'
import { FileError } from './errors.js'
import { collect, send } from './file-contents.js'
import { type FileData, partsOf } from './file-data.js'
import { type FileMode, fileLength, modeBits, ownerId, partOf, positionOf, type Time, timeMs } from './file-mode.js'
import { encoding as encodingCheck, encodingOrBuffer, withEncoding } from './file-path.js'
import {
  checkHandleReadStream,
  checkHandleWriteStream,
  FileReadStream,
  FileWriteStream,
  type HandleReadStreamOptions,
  type HandleWriteStreamOptions,
} from './file-streams.js'
import {
  READ_OPEN_FILE,
  type ReadFileOptions,
  STAT,
  type StatOptions,
  WRITE_OPEN_FILE,
  type WriteOpenFileOptions,
} from './options/files.js'
import { type BigIntStats, type Stats, statsOf } from './stats.js'

/** Bytes of one round trip. */
const CHUNK = 131_072

/** A part of a buffer, and where in the file. */
export interface FilePartOptions {
  /** Where in the buffer. Default: 0. */
  offset?: number | null | undefined
  /** Default: what fits. */
  length?: number | null | undefined
  /** Where in the file; `null` is its current position, which moves. Default: `null`. */
  position?: number | bigint | null | undefined
}

/** What to read and where to put it. */
export interface FileReadOptions<T extends NodeJS.ArrayBufferView = Buffer> extends FilePartOptions {
  /** Default: a new Buffer of 16 KiB. */
  buffer?: T | undefined
}

type OpenReadOptions<E extends BufferEncoding | null = BufferEncoding | null> = Omit<ReadFileOptions<E>, 'flag'>
type Position = number | bigint | null
type Read<T> = Promise<{ bytesRead: number; buffer: T }>
type Written<T> = Promise<{ bytesWritten: number; buffer: T }>

const anything = { expected: 'any value', holds: () => true }
const PART: Shape<FilePartOptions> = { offset: anything, length: anything, position: anything }
const READ: Shape<FileReadOptions> = { ...PART, buffer: anything }
const WEB = { autoClose: boolean, type: { expected: "'bytes'", holds: (value: unknown) => value === 'bytes' } }

/** Makes a handle. Not part of the public API. */
export let makeFileHandle: (native: NativeFiles, handle: number) => FileHandle

/** Whether a value is an open file, and no proxy of one. Not part of the public API. */
export let isFileHandle: (value: unknown) => value is FileHandle

/**
 * An open file in a box; `box.fs.open` makes one. Close it, or give it to a stream, which closes it at its end: a box holds at most
 * 4096 open for its host. Emits `close`.
 */
export class FileHandle extends EventEmitter implements AsyncDisposable {
  #native: NativeFiles
  #handle: number | undefined
  #closing: Promise<void> | undefined
  #locked = false

  static {
    makeFileHandle = (native, handle) => new this(native, handle)
    isFileHandle = (value): value is FileHandle => typeof value === 'object' && value !== null && #native in value
  }

  private constructor(native: NativeFiles, handle: number) {
    super()
    this.#native = native
    this.#handle = handle
  }

  /** The number that stands for it in the box; -1 once it is closed. */
  get fd(): number {
    return this.#handle ?? -1
  }

  /** Reads at a position, or at the current one. Fewer bytes than asked for come only at the end of the file. */
  read<T extends NodeJS.ArrayBufferView>(
    buffer: T,
    offset?: number | null,
    length?: number | null,
    position?: Position,
  ): Read<T>
  read<T extends NodeJS.ArrayBufferView>(buffer: T, options?: FilePartOptions | null): Read<T>
  read<T extends NodeJS.ArrayBufferView = Buffer>(options?: FileReadOptions<T> | null): Read<T>
  async read(
    first?: NodeJS.ArrayBufferView | FileReadOptions<NodeJS.ArrayBufferView> | null,
    second?: number | FilePartOptions | null,
    length?: number | null,
    position?: Position,
  ): Read<NodeJS.ArrayBufferView> {
    this.#open('read')
    const where = partOptions('handle.read', second, length, position)
    const given = ArrayBuffer.isView(first) ? { buffer: first, ...where } : (first ?? {})
    checkOptions<FileReadOptions<NodeJS.ArrayBufferView>>('handle.read', given, READ)
    const buffer = given.buffer ?? Buffer.allocUnsafeSlow(16_384)
    const memory = writable('handle.read', 'buffer', buffer)
    const part = partOf('handle.read', memory.length, given.offset, given.length)
    const at = positionOf('handle.read', 'position', given.position)
    const bytesRead = await this.#fill('read', memory.subarray(part.from, part.from + part.length), at)
    return { bytesRead, buffer }
  }

  /** Reads into one buffer after the other. */
  async readv<T extends NodeJS.ArrayBufferView>(
    buffers: readonly T[],
    position?: Position,
  ): Promise<{ bytesRead: number; buffers: readonly T[] }> {
    this.#open('readv')
    const memories = memoriesOf('handle.readv', buffers)
    const at = positionOf('handle.readv', 'position', position)
    const all = Buffer.allocUnsafeSlow(memories.reduce((sum, { length }) => sum + length, 0))
    const bytesRead = await this.#fill('readv', all, at)
    let from = 0
    for (const memory of memories) {
      if (from >= bytesRead) break
      from += all.copy(memory, 0, from, Math.min(bytesRead, from + memory.length))
    }
    return { bytesRead, buffers }
  }

  /** Writes all of it at a position, or at the current one. */
  write<T extends NodeJS.ArrayBufferView>(
    buffer: T,
    offset?: number | null,
    length?: number | null,
    position?: Position,
  ): Written<T>
  write<T extends NodeJS.ArrayBufferView>(buffer: T, options?: FilePartOptions | null): Written<T>
  write(text: string, position?: Position, encoding?: BufferEncoding | null): Written<string>
  async write(
    data: string | NodeJS.ArrayBufferView,
    second?: Position | FilePartOptions,
    third?: number | BufferEncoding | null,
    fourth?: Position,
  ): Written<string | NodeJS.ArrayBufferView> {
    this.#open('write')
    if (typeof data === 'string') {
      const at = positionOf('handle.write', 'position', second)
      checkArgument('handle.write', 'encoding', third ?? null, encodingCheck)
      const bytes = Buffer.from(data, (third ?? 'utf8') as BufferEncoding)
      return { bytesWritten: await this.#put('write', bytes, at), buffer: data }
    }
    const memory = toBuffer('handle.write', 'buffer', data)
    const given = partOptions('handle.write', second, third, fourth)
    const { from, length } = partOf('handle.write', memory.length, given.offset, given.length)
    const at = positionOf('handle.write', 'position', given.position)
    return { bytesWritten: await this.#put('write', memory.subarray(from, from + length), at), buffer: data }
  }

  /** Writes one buffer after the other. */
  async writev<T extends NodeJS.ArrayBufferView>(
    buffers: readonly T[],
    position?: Position,
  ): Promise<{ bytesWritten: number; buffers: readonly T[] }> {
    this.#open('writev')
    const memories = memoriesOf('handle.writev', buffers)
    const at = positionOf('handle.writev', 'position', position)
    return { bytesWritten: await this.#put('writev', Buffer.concat(memories), at), buffers }
  }

  readFile(options: BufferEncoding | OpenReadOptions<BufferEncoding>): Promise<string>
  readFile(options?: OpenReadOptions<null> | null): Promise<Buffer>
  /** The rest of the file, from the current position on. */
  async readFile(options?: BufferEncoding | OpenReadOptions | null): Promise<string | Buffer> {
    const handle = this.#open('readFile')
    const given = withEncoding<OpenReadOptions>('handle.readFile', options, encodingOrBuffer)
    checkOptions('handle.readFile', given, READ_OPEN_FILE)
    return collect(this.#native, { handle }, given.encoding, given.signal)
  }

  /** Writes from the current position on. */
  async writeFile(data: FileData, options?: BufferEncoding | WriteOpenFileOptions | null): Promise<void> {
    return this.#writeAll('handle.writeFile', data, options)
  }

  /** As `writeFile`: where it lands is what the file was opened for. */
  async appendFile(data: FileData, options?: BufferEncoding | WriteOpenFileOptions | null): Promise<void> {
    return this.#writeAll('handle.appendFile', data, options)
  }

  async #writeAll(
    operation: string,
    data: FileData,
    options: BufferEncoding | WriteOpenFileOptions | null | undefined,
  ): Promise<void> {
    const handle = this.#open('writeFile')
    const given = withEncoding<WriteOpenFileOptions>(operation, options, encodingCheck)
    checkOptions(operation, given, WRITE_OPEN_FILE)
    const parts = partsOf(operation, data, given.encoding)
    await send(this.#native, { handle, flush: given.flush }, parts, given.signal)
  }

  stat(options: StatOptions & { bigint: true }): Promise<BigIntStats>
  stat(options?: StatOptions & { bigint?: false }): Promise<Stats>
  async stat(options?: StatOptions): Promise<Stats | BigIntStats> {
    this.#open('fstat')
    checkOptions('handle.stat', options, STAT)
    return statsOf(await this.#call('fstat', { operation: 'STAT', exact: options?.bigint }))
  }

  async truncate(length = 0): Promise<void> {
    this.#open('ftruncate')
    await this.#call('ftruncate', { operation: 'TRUNCATE', length: fileLength('handle.truncate', length) })
  }

  async chmod(mode: FileMode): Promise<void> {
    this.#open('fchmod')
    await this.#call('fchmod', { operation: 'CHMOD', mode: modeBits('handle.chmod', mode) })
  }

  /** -1 leaves the user or the group as it is. */
  async chown(uid: number, gid: number): Promise<void> {
    this.#open('fchown')
    const owner = { uid: ownerId('handle.chown', 'uid', uid), gid: ownerId('handle.chown', 'gid', gid) }
    await this.#call('fchown', { operation: 'CHOWN', ...owner })
  }

  async utimes(atime: Time, mtime: Time): Promise<void> {
    this.#open('futimes')
    const [atimeMs, mtimeMs] = [timeMs('handle.utimes', 'atime', atime), timeMs('handle.utimes', 'mtime', mtime)]
    await this.#call('futimes', { operation: 'SET_TIMES', atimeMs, mtimeMs })
  }

  /** Brings data and attributes to the box's disk. */
  async sync(): Promise<void> {
    await this.#call('fsync', { operation: 'SYNC' })
  }

  /** Brings data to the box's disk. */
  async datasync(): Promise<void> {
    await this.#call('fdatasync', { operation: 'SYNC', dataOnly: true })
  }

  /** Reads on as a stream, which closes the file at its end unless `autoClose` is false. */
  createReadStream(options?: BufferEncoding | HandleReadStreamOptions | null): FileReadStream {
    const handle = this.#open('read')
    const given = checkHandleReadStream('handle.createReadStream', options)
    return new FileReadStream(this.#native, { handle }, given, undefined, this)
  }

  /** Writes as a stream, which closes the file at its end unless `autoClose` is false. */
  createWriteStream(options?: BufferEncoding | HandleWriteStreamOptions | null): FileWriteStream {
    const handle = this.#open('write')
    const given = checkHandleWriteStream('handle.createWriteStream', options)
    return new FileWriteStream(this.#native, { handle }, given, undefined, this)
  }

  /** The lines of the rest of the file, for `for await`; at its end it is closed. */
  readLines(options?: BufferEncoding | HandleReadStreamOptions | null): Interface {
    return createInterface({ input: this.createReadStream(options), crlfDelay: Number.POSITIVE_INFINITY })
  }

  /** The rest of the file as a web stream of bytes; once for each handle. `autoClose` closes the file at its end. */
  readableWebStream(options: { type?: 'bytes'; autoClose?: boolean } = {}): ReadableStream<Uint8Array> {
    this.#open('read')
    checkOptions('handle.readableWebStream', options, WEB)
    if (this.#locked) throw new FileError('ERR_INVALID_STATE', 'Invalid state: The FileHandle is locked')
    this.#locked = true
    const over = async () => {
      if (options.autoClose) await this.close()
    }
    return new ReadableStream({
      type: 'bytes',
      autoAllocateChunkSize: 16_384,
      pull: async (controller: { close(): void; byobRequest?: unknown }) => {
        const request = controller.byobRequest as { view: Uint8Array | null; respond(bytes: number): void }
        if (request.view === null) return
        const { bytesRead } = await this.read(request.view)
        if (bytesRead === 0) {
          controller.close()
          await over()
        }
        request.respond(bytesRead)
      },
      cancel: over,
    })
  }

  /** Closes the file. Nothing happens if it is closed already. */
  close(): Promise<void> {
    if (this.#closing === undefined) {
      const handle = this.#handle
      this.#closing = settled(this.#native.call({ operation: 'CLOSE', handle })).then(() => {})
      this.#handle = undefined
      this.emit('close')
    }
    return this.#closing
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  /** Its number; of one that is closed the error that Node has. */
  #open(syscall: string): number {
    if (this.#handle !== undefined) return this.#handle
    throw new FileError('EBADF', 'file closed', { syscall })
  }

  async #call(syscall: string, input: FileInput): Promise<FileOutput> {
    const handle = this.#open(syscall)
    return settled(this.#native.call({ ...input, handle }))
  }

  /** Reads until `into` is full or the file ends. */
  async #fill(syscall: string, into: Buffer, position: number | undefined): Promise<number> {
    let done = 0
    while (done < into.length) {
      const length = Math.min(CHUNK, into.length - done)
      const offset = position === undefined ? undefined : position + done
      const { data } = await this.#call(syscall, { operation: 'READ_AT', length, offset })
      data.copy(into, done)
      done += data.length
      if (data.length < length) break
    }
    return done
  }

  async #put(syscall: string, data: Buffer, position: number | undefined): Promise<number> {
    for (let sent = 0; sent < data.length; sent += CHUNK) {
      const offset = position === undefined ? undefined : position + sent
      await this.#call(syscall, { operation: 'WRITE_AT', data: data.subarray(sent, sent + CHUNK), offset })
    }
    return data.length
  }
}

guardMembers(FileHandle, 'handle', isFileHandle)

/** Where, as three arguments or as one object. */
function partOptions(operation: string, second: unknown, third: unknown, fourth: unknown): FilePartOptions {
  if (typeof second !== 'object' || second === null) {
    return { offset: second, length: third, position: fourth } as FilePartOptions
  }
  checkArgument(operation, 'options', second, object)
  checkOptions<FilePartOptions>(operation, second, PART)
  return second
}

/** The memory behind a view, to be filled. */
function writable(operation: string, name: string, view: unknown): Buffer {
  // Of shared memory `toBuffer` gives a copy, which would be filled in vain.
  if (ArrayBuffer.isView(view) && view.buffer instanceof SharedArrayBuffer) {
    return Buffer.from(view.buffer, view.byteOffset, view.byteLength)
  }
  return toBuffer(operation, name, view)
}

function memoriesOf(operation: string, buffers: unknown): Buffer[] {
  const views = {
    expected: 'an array of Buffers, TypedArrays or DataViews',
    holds: (value: unknown) => Array.isArray(value) && Array.from(value).every(ArrayBuffer.isView),
  }
  checkArgument(operation, 'buffers', buffers, views)
  return (buffers as NodeJS.ArrayBufferView[]).map(view => writable(operation, 'buffers', view))
}
