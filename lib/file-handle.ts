// `FileHandle`: an open file in a box, as Node's. Made by `fs.ts`.
import { type FileInput, type FileOutput, type NativeFiles, settled } from './binding.js'
import { aborted } from './errors.js'
import { bytesOf, type FileData, type Time, timeMs } from './file-data.js'
import { FileReadStream, FileWriteStream, type ReadStreamOptions, type WriteStreamOptions } from './file-streams.js'
import { Stats } from './stats.js'

/** Bytes of one round trip. */
const CHUNK = 131_072
/** The most that `readFile` collects: what a Node Buffer holds. */
const MOST = 2 ** 31 - 1

/** What to read and where to put it. */
export interface FileReadOptions<T extends NodeJS.ArrayBufferView = Buffer> {
  /** Default: a new Buffer of 16 KiB. */
  buffer?: T
  /** Where in the buffer. Default: 0. */
  offset?: number
  /** Default: what fits. */
  length?: number
  /** Where in the file; `null` is its current position, which moves. Default: `null`. */
  position?: number | null
}

/** Makes a handle. Not part of the public API. */
export let makeFileHandle: (native: NativeFiles, handle: number) => FileHandle

/** An open file in a box; `box.fs.open` makes one. Close it: a box holds at most 4096 open for its host. */
export class FileHandle implements AsyncDisposable {
  #native: NativeFiles
  #handle: number | undefined

  static {
    makeFileHandle = (native, handle) => new this(native, handle)
  }

  private constructor(native: NativeFiles, handle: number) {
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
    offset?: number,
    length?: number,
    position?: number | null,
  ): Promise<{ bytesRead: number; buffer: T }>
  read<T extends NodeJS.ArrayBufferView = Buffer>(
    options?: FileReadOptions<T>,
  ): Promise<{ bytesRead: number; buffer: T }>
  async read(
    first: NodeJS.ArrayBufferView | FileReadOptions<NodeJS.ArrayBufferView> = {},
    offset?: number,
    length?: number,
    position?: number | null,
  ): Promise<{ bytesRead: number; buffer: NodeJS.ArrayBufferView }> {
    const given = ArrayBuffer.isView(first) ? { buffer: first, offset, length, position } : first
    const buffer = given.buffer ?? Buffer.allocUnsafeSlow(16_384)
    const into = Buffer.from(buffer.buffer, buffer.byteOffset, buffer.byteLength).subarray(given.offset ?? 0)
    const wanted = Math.min(given.length ?? into.length, into.length)
    let bytesRead = 0
    while (bytesRead < wanted) {
      const size = Math.min(CHUNK, wanted - bytesRead)
      const at = given.position == null ? {} : { offset: given.position + bytesRead }
      const { data } = await this.#call({ operation: 'READ_AT', length: size, ...at })
      data.copy(into, bytesRead)
      bytesRead += data.length
      if (data.length < size) break
    }
    return { bytesRead, buffer }
  }

  /** Writes all of it at a position, or at the current one. */
  write<T extends NodeJS.ArrayBufferView>(
    buffer: T,
    offset?: number,
    length?: number,
    position?: number | null,
  ): Promise<{ bytesWritten: number; buffer: T }>
  write(
    text: string,
    position?: number | null,
    encoding?: BufferEncoding,
  ): Promise<{ bytesWritten: number; buffer: string }>
  async write(
    data: string | NodeJS.ArrayBufferView,
    second?: number | null,
    third?: number | BufferEncoding,
    fourth?: number | null,
  ): Promise<{ bytesWritten: number; buffer: string | NodeJS.ArrayBufferView }> {
    const isText = typeof data === 'string'
    const position = isText ? second : fourth
    const bytes = isText
      ? Buffer.from(data, third as BufferEncoding | undefined)
      : Buffer.from(data.buffer, data.byteOffset, data.byteLength)
          .subarray(second ?? 0)
          .subarray(0, third as number | undefined)
    for (let sent = 0; sent < bytes.length; sent += CHUNK) {
      const at = position == null ? {} : { offset: position + sent }
      await this.#call({ operation: 'WRITE_AT', data: bytes.subarray(sent, sent + CHUNK), ...at })
    }
    return { bytesWritten: bytes.length, buffer: data }
  }

  /** The rest of the file, from the current position on. */
  readFile(options: BufferEncoding | { encoding: BufferEncoding; signal?: AbortSignal }): Promise<string>
  readFile(options?: { encoding?: null; signal?: AbortSignal } | null): Promise<Buffer>
  async readFile(
    options?: BufferEncoding | { encoding?: BufferEncoding | null; signal?: AbortSignal } | null,
  ): Promise<string | Buffer> {
    const { encoding, signal } =
      typeof options === 'string' ? { encoding: options, signal: undefined } : (options ?? {})
    const data = await collect(this.#native, { handle: this.#open() }, signal)
    return encoding ? data.toString(encoding) : data
  }

  /** Writes from the current position on. */
  async writeFile(
    data: FileData,
    options?: BufferEncoding | { encoding?: BufferEncoding | null } | null,
  ): Promise<void> {
    const encoding = typeof options === 'string' ? options : options?.encoding
    await send(this.#native, { handle: this.#open() }, data, encoding)
  }

  /** As `writeFile`: where it lands is what the file was opened for. */
  appendFile(data: FileData, options?: BufferEncoding | { encoding?: BufferEncoding | null } | null): Promise<void> {
    return this.writeFile(data, options)
  }

  async stat(): Promise<Stats> {
    const { stat } = await this.#call({ operation: 'STAT' })
    return new Stats(stat as NonNullable<typeof stat>)
  }

  async truncate(length = 0): Promise<void> {
    await this.#call({ operation: 'TRUNCATE', length })
  }

  async chmod(mode: number): Promise<void> {
    await this.#call({ operation: 'CHMOD', mode })
  }

  async chown(uid: number, gid: number): Promise<void> {
    await this.#call({ operation: 'CHOWN', uid, gid })
  }

  async utimes(atime: Time, mtime: Time): Promise<void> {
    await this.#call({ operation: 'SET_TIMES', atimeMs: timeMs(atime), mtimeMs: timeMs(mtime) })
  }

  /** Brings data and attributes to the box's disk. */
  async sync(): Promise<void> {
    await this.#call({ operation: 'SYNC' })
  }

  /** Brings data to the box's disk. */
  async datasync(): Promise<void> {
    await this.#call({ operation: 'SYNC', dataOnly: true })
  }

  createReadStream(options: Omit<ReadStreamOptions, 'flags'> = {}): FileReadStream {
    return new FileReadStream(this.#native, { handle: this.#open() }, options)
  }

  createWriteStream(options: Omit<WriteStreamOptions, 'flags' | 'mode'> = {}): FileWriteStream {
    return new FileWriteStream(this.#native, { handle: this.#open() }, options)
  }

  /** Closes the file. Nothing happens if it is closed already. */
  async close(): Promise<void> {
    if (this.#handle === undefined) return
    const closing = this.#call({ operation: 'CLOSE' })
    this.#handle = undefined
    await closing
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  /** Once it is closed the number of no file, so that the box answers `EBADF`, as Node does. */
  #open(): number {
    return this.#handle ?? Number.MAX_SAFE_INTEGER
  }

  #call(input: FileInput): Promise<FileOutput> {
    return settled(this.#native.call({ ...input, handle: this.#open() }))
  }
}

/** All bytes of a file. */
export async function collect(
  native: NativeFiles,
  input: Omit<FileInput, 'operation'>,
  signal?: AbortSignal,
): Promise<Buffer> {
  if (signal?.aborted) throw aborted('read file', signal)
  const reader = await settled(native.read({ operation: 'READ', ...input }))
  const chunks: Buffer[] = []
  let size = 0
  for (;;) {
    const chunk = await settled(reader.pull())
    if (chunk === null) return chunks.length === 1 && chunks[0] ? chunks[0] : Buffer.concat(chunks, size)
    size += chunk.length
    chunks.push(chunk)
    if (signal?.aborted || size > MOST) {
      await reader.close()
      if (signal?.aborted) throw aborted('read file', signal)
      throw new RangeError(`read file: it has more than the ${MOST} bytes that fit in a Buffer; read it as a stream`)
    }
  }
}

/** Writes a whole file. */
export async function send(
  native: NativeFiles,
  input: Omit<FileInput, 'operation'>,
  data: FileData,
  encoding?: BufferEncoding | null,
  signal?: AbortSignal,
): Promise<void> {
  if (signal?.aborted) throw aborted('write file', signal)
  const writer = await settled(native.write({ operation: 'WRITE', ...input }))
  try {
    for await (const bytes of bytesOf(data, encoding)) {
      if (signal?.aborted) throw aborted('write file', signal)
      await settled(writer.push(bytes))
    }
  } catch (error) {
    await writer.finish()
    throw error
  }
  await settled(writer.finish())
}
