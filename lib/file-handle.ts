// `FileHandle`: an open file in a box, as Node's. Made by `fs.ts`.
import { EventEmitter } from 'node:events'
import { createInterface, type Interface } from 'node:readline'
import { ReadableStream } from 'node:stream/web'
import { type NativeOpenFile, settled } from './binding.js'
import { guardMembers } from './bound.js'
import { toBuffer } from './bytes.js'
import { boolean, checkArgument, checkOptions } from './check.js'
import { FileError } from './errors.js'
import { CROSSING, collect, crossings, send } from './file-contents.js'
import { dataOf, type FileData } from './file-data.js'
import { type FileMode, fileLength, modeBits, ownerId, partOf, positionOf, type Time, timeMs } from './file-mode.js'
import { checkEncoded, encoding as encodingCheck } from './file-path.js'
import { FileReadStream } from './file-read-stream.js'
import { FileWriteStream } from './file-write-stream.js'
import {
  type FilePartOptions,
  type FileReadOptions,
  memoriesOf,
  partOptions,
  READ,
  writable,
} from './options/file-parts.js'
import {
  checkRead,
  type HandleReadStreamOptions,
  type HandleWriteStreamOptions,
  partLength,
  READ_OPEN_STREAM,
  WRITE_OPEN_STREAM,
} from './options/file-streams.js'
import {
  READ_OPEN_FILE,
  type ReadFileOptions,
  STAT,
  type StatOptions,
  WRITE_OPEN_FILE,
  type WriteOpenFileOptions,
} from './options/files.js'
import { type BigIntStats, type Stats, statsOf } from './stats.js'

type OpenReadOptions<E extends BufferEncoding | null = BufferEncoding | null> = Omit<ReadFileOptions<E>, 'flag'>
type Position = number | bigint | null
type Read<T> = Promise<{ bytesRead: number; buffer: T }>
type Written<T> = Promise<{ bytesWritten: number; buffer: T }>

const WEB = { autoClose: boolean, type: { expected: "'bytes'", holds: (value: unknown) => value === 'bytes' } }

/** Makes a handle. Not part of the public API. */
export let makeFileHandle: (native: NativeOpenFile) => FileHandle

/** Whether a value is an open file, and no proxy of one. Not part of the public API. */
export let isFileHandle: (value: unknown) => value is FileHandle

/**
 * An open file in a box; `box.fs.open` makes one. Close it, or give it to a stream, which closes it at its end: a box holds at most
 * 4096 open for its host. Emits `close`.
 */
export class FileHandle extends EventEmitter implements AsyncDisposable {
  #native: NativeOpenFile
  #closing: Promise<void> | undefined
  #locked = false

  static {
    makeFileHandle = native => new this(native)
    isFileHandle = (value): value is FileHandle => typeof value === 'object' && value !== null && #native in value
  }

  private constructor(native: NativeOpenFile) {
    super()
    this.#native = native
  }

  /** The number of the open file in the box; -1 once it is closed. */
  get fd(): number {
    return this.#closing === undefined ? this.#native.fd : -1
  }

  /** Reads at a position, or at the current one. Reads fewer bytes than requested only at the end of the file. */
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
  /** Reads the rest of the file, from the current position on. */
  async readFile(options?: BufferEncoding | OpenReadOptions | null): Promise<string | Buffer> {
    const file = this.#open('readFile')
    const { encoding, signal } = checkEncoded<OpenReadOptions>('handle.readFile', options, READ_OPEN_FILE)
    const source = { whole: (max: number) => file.readFile(max), stream: () => file.read({}) }
    return collect(source, encoding, signal)
  }

  /** Writes from the current position on. */
  async writeFile(data: FileData, options?: BufferEncoding | WriteOpenFileOptions | null): Promise<void> {
    return this.#writeAll('handle.writeFile', data, options)
  }

  /** Does what `writeFile` does; the flags of `open` decide where the data goes. */
  async appendFile(data: FileData, options?: BufferEncoding | WriteOpenFileOptions | null): Promise<void> {
    return this.#writeAll('handle.appendFile', data, options)
  }

  async #writeAll(operation: string, data: FileData, options: unknown): Promise<void> {
    const file = this.#open('writeFile')
    const { encoding, flush = false, signal } = checkEncoded(operation, options, WRITE_OPEN_FILE)
    const content = dataOf(operation, data, encoding)
    const target = { whole: (bytes: Buffer) => file.writeFile(bytes, flush), stream: () => file.write({ flush }) }
    await send(target, content, signal)
  }

  stat(options: StatOptions & { bigint: true }): Promise<BigIntStats>
  stat(options?: StatOptions & { bigint?: false }): Promise<Stats>
  async stat(options?: StatOptions): Promise<Stats | BigIntStats> {
    const file = this.#open('fstat')
    const { bigint = false } = checkOptions('handle.stat', options, STAT)
    return statsOf(await settled(file.stat(bigint)))
  }

  async truncate(length = 0): Promise<void> {
    const file = this.#open('ftruncate')
    await settled(file.truncate(fileLength('handle.truncate', length)))
  }

  async chmod(mode: FileMode): Promise<void> {
    const file = this.#open('fchmod')
    await settled(file.chmod(modeBits('handle.chmod', mode)))
  }

  /** Changes the owner; -1 leaves the user or the group as it is. */
  async chown(uid: number, gid: number): Promise<void> {
    const file = this.#open('fchown')
    await settled(file.chown(ownerId('handle.chown', 'uid', uid), ownerId('handle.chown', 'gid', gid)))
  }

  async utimes(atime: Time, mtime: Time): Promise<void> {
    const file = this.#open('futimes')
    await settled(file.utimes(timeMs('handle.utimes', 'atime', atime), timeMs('handle.utimes', 'mtime', mtime)))
  }

  /** Brings data and attributes to the box's disk. */
  async sync(): Promise<void> {
    await settled(this.#open('fsync').sync(false))
  }

  /** Brings data to the box's disk. */
  async datasync(): Promise<void> {
    await settled(this.#open('fdatasync').sync(true))
  }

  /** Reads on as a stream, which closes the file at its end unless `autoClose` is false. */
  createReadStream(options?: BufferEncoding | HandleReadStreamOptions | null): FileReadStream {
    const file = this.#open('read')
    const given = checkRead('handle.createReadStream', options, READ_OPEN_STREAM)
    const input = { offset: given.start, length: partLength(given) }
    return new FileReadStream(() => file.read(input), given, undefined, this)
  }

  /** Writes as a stream, which closes the file at its end unless `autoClose` is false. */
  createWriteStream(options?: BufferEncoding | HandleWriteStreamOptions | null): FileWriteStream {
    const file = this.#open('write')
    const given = checkEncoded('handle.createWriteStream', options, WRITE_OPEN_STREAM)
    const input = { offset: given.start, flush: given.flush }
    return new FileWriteStream(() => file.write(input), given, undefined, this)
  }

  /** Reads the rest of the file line by line, for `for await`, and closes it at its end. */
  readLines(options?: BufferEncoding | HandleReadStreamOptions | null): Interface {
    return createInterface({ input: this.createReadStream(options), crlfDelay: Number.POSITIVE_INFINITY })
  }

  /** Reads the rest of the file as a web stream of bytes, once for each handle. `autoClose` closes the file at its end. */
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
      this.#closing = settled(this.#native.close())
      this.emit('close')
    }
    return this.#closing
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  /** The open file. Throws Node's error if it is closed. */
  #open(syscall: string): NativeOpenFile {
    if (this.#closing === undefined) return this.#native
    throw new FileError('EBADF', 'file closed', { syscall })
  }

  /** Reads until `into` is full or the file ends. */
  async #fill(syscall: string, into: Buffer, position: number | undefined): Promise<number> {
    let done = 0
    while (done < into.length) {
      const length = Math.min(CROSSING, into.length - done)
      const at = position === undefined ? undefined : position + done
      const data = await settled(this.#open(syscall).readAt(length, at))
      data.copy(into, done)
      done += data.length
      if (data.length < length) break
    }
    return done
  }

  async #put(syscall: string, data: Buffer, position: number | undefined): Promise<number> {
    let at = position
    for (const bytes of crossings(data)) {
      await settled(this.#open(syscall).writeAt(bytes, at))
      if (at !== undefined) at += bytes.length
    }
    return data.length
  }
}

guardMembers(FileHandle, 'handle', isFileHandle)
