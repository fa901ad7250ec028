// `FileSystem`: the files of a box, with the names and semantics of `node:fs/promises`. Made by `box.ts`.
import { type FileInput, type FileOutput, type NativeFiles, settled } from './binding.js'
import { checkArgument, text, word } from './check.js'
import type { FileData, Time } from './file-data.js'
import { timeMs } from './file-data.js'
import { flagBits, flags as flagCheck, type OpenFlags } from './file-flags.js'
import { collect, type FileHandle, makeFileHandle, send } from './file-handle.js'
import { FileReadStream, FileWriteStream, type ReadStreamOptions, type WriteStreamOptions } from './file-streams.js'
import { Dirent, Stats } from './stats.js'
import { type FileChangeEvent, type WatchOptions, watch } from './watch.js'

/** How to read a whole file. */
export interface ReadFileOptions<E extends BufferEncoding | null = BufferEncoding | null> {
  /** Decode to a string. Default: `null`, bytes. */
  encoding?: E
  signal?: AbortSignal
}

/** How to write a whole file. */
export interface WriteFileOptions {
  /** Of strings. Default: `'utf8'`. */
  encoding?: BufferEncoding | null
  /** Permissions of a new file, less the box's umask. Default: `0o666`. */
  mode?: number
  /** Default: `'w'`. */
  flag?: OpenFlags
  signal?: AbortSignal
}

/** How to list a directory. */
export interface ReadDirOptions {
  /** Give {@link Dirent}s instead of names. Default: `false`. */
  withFileTypes?: boolean
  /** Everything below too, in one call; symlinks are not followed. Default: `false`. */
  recursive?: boolean
}

/** How to copy inside a box. */
export interface CpOptions {
  /** Directories with all that is in them. Default: `false`. */
  recursive?: boolean
  /** Overwrite files. Default: `true`. */
  force?: boolean
  /** With `force: false`, fail with `EEXIST` where a file exists. Default: `false`. */
  errorOnExist?: boolean
  /** Copy what symlinks lead to. Default: `false`. */
  dereference?: boolean
  /** Keep access and modification times. Default: `false`. */
  preserveTimestamps?: boolean
}

type Encoding = BufferEncoding | null

const encodingOf = <T extends { encoding?: Encoding }>(options: Encoding | T | undefined): Partial<T> =>
  (typeof options === 'string' ? { encoding: options } : (options ?? {})) as Partial<T>

/** Makes a box's file system. Not part of the public API. */
export let makeFileSystem: (native: NativeFiles) => FileSystem

/**
 * The files of a box as its processes see them, mounts and tmpfs included; `box.fs`. Acts as root. Names and semantics
 * are those of `node:fs/promises`, and so are the errors: a {@link FileError} has `code` (`'ENOENT'`), `errno`,
 * `syscall` and `path`. Relative paths begin at the box's working directory. Each call starts the box if it does not run.
 */
export class FileSystem {
  #native: NativeFiles

  static {
    makeFileSystem = native => new this(native)
  }

  private constructor(native: NativeFiles) {
    this.#native = native
  }

  readFile(path: string, options: BufferEncoding | ReadFileOptions<BufferEncoding>): Promise<string>
  readFile(path: string, options?: ReadFileOptions<null> | null): Promise<Buffer>
  async readFile(path: string, options?: Encoding | ReadFileOptions): Promise<string | Buffer> {
    const { encoding, signal } = encodingOf(options)
    const data = await collect(this.#native, { path: checked('readFile', path) }, signal)
    return encoding ? data.toString(encoding) : data
  }

  async writeFile(path: string, data: FileData, options?: Encoding | WriteFileOptions): Promise<void> {
    const { encoding, mode = 0o666, flag = 'w', signal } = encodingOf(options)
    checkArgument('fs.writeFile', 'flag', flag, flagCheck)
    await send(this.#native, { path: checked('writeFile', path), flags: flagBits(flag), mode }, data, encoding, signal)
  }

  appendFile(path: string, data: FileData, options?: Encoding | WriteFileOptions): Promise<void> {
    return this.writeFile(path, data, { flag: 'a', ...encodingOf(options) })
  }

  async open(path: string, flags: OpenFlags = 'r', mode = 0o666): Promise<FileHandle> {
    checkArgument('fs.open', 'flags', flags, flagCheck)
    const { handle } = await this.#call('open', path, { operation: 'OPEN', flags: flagBits(flags), mode })
    return makeFileHandle(this.#native, handle)
  }

  readdir(path: string, options: ReadDirOptions & { withFileTypes: true }): Promise<Dirent[]>
  readdir(path: string, options?: (ReadDirOptions & { withFileTypes?: false }) | Encoding): Promise<string[]>
  async readdir(path: string, options?: ReadDirOptions | Encoding): Promise<string[] | Dirent[]> {
    const { withFileTypes = false, recursive = false } = typeof options === 'object' ? (options ?? {}) : {}
    const entries = await settled(this.#native.readDirectory(checked('readdir', path), recursive))
    if (withFileTypes) return entries.map(entry => new Dirent(path, entry))
    return entries.map(({ name }) => name)
  }

  async stat(path: string): Promise<Stats> {
    return stats(await this.#call('stat', path, { operation: 'STAT', follow: true }))
  }

  async lstat(path: string): Promise<Stats> {
    return stats(await this.#call('lstat', path, { operation: 'STAT' }))
  }

  /** Resolves if the file is there and, with bits of `fs.constants.R_OK`, `W_OK` and `X_OK`, allows that to root. */
  async access(path: string, mode = 0): Promise<void> {
    await this.#call('access', path, { operation: 'ACCESS', mode })
  }

  /** Whether there is something at `path`. Rejects only where that can't be found out. */
  async exists(path: string): Promise<boolean> {
    return this.access(path).then(
      () => true,
      error => {
        if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return false
        throw error
      },
    )
  }

  /** Resolves with the first directory that `recursive` made, else with `undefined`. */
  async mkdir(
    path: string,
    options: number | { recursive?: boolean; mode?: number } = {},
  ): Promise<string | undefined> {
    const { recursive = false, mode = 0o777 } = typeof options === 'number' ? { mode: options } : options
    return (await this.#call('mkdir', path, { operation: 'MKDIR', recursive, mode })).path
  }

  /** Makes a directory of a new name that begins with `prefix`, and resolves with its path. */
  async mkdtemp(prefix: string): Promise<string> {
    return (await this.#call('mkdtemp', prefix, { operation: 'MKDTEMP' })).path as string
  }

  async rmdir(path: string): Promise<void> {
    await this.#call('rmdir', path, { operation: 'RMDIR' })
  }

  async unlink(path: string): Promise<void> {
    await this.#call('unlink', path, { operation: 'UNLINK' })
  }

  /** Removes a file, or with `recursive` a tree, else `ERR_FS_EISDIR`. With `force` it need not be there. */
  async rm(path: string, options: { recursive?: boolean; force?: boolean } = {}): Promise<void> {
    await this.#call('rm', path, { operation: 'REMOVE', recursive: options.recursive, force: options.force })
  }

  async rename(from: string, to: string): Promise<void> {
    await this.#call('rename', from, { operation: 'RENAME', to: checked('rename', to) })
  }

  /** Copies one file with its mode. `mode` 1, `fs.constants.COPYFILE_EXCL`, fails where there is one already. */
  async copyFile(from: string, to: string, mode = 0): Promise<void> {
    const exclusive = (mode & 1) === 1
    await this.#call('copyFile', from, { operation: 'COPY_FILE', to: checked('copyFile', to), exclusive })
  }

  /** Copies a file or a tree inside the box. Symlinks stay as they are written. */
  async cp(from: string, to: string, options: CpOptions = {}): Promise<void> {
    const { recursive, force = true, errorOnExist = false, dereference, preserveTimestamps } = options
    await this.#call('cp', from, {
      operation: 'COPY',
      to: checked('cp', to),
      recursive,
      force,
      exclusive: errorOnExist && !force,
      follow: dereference,
      preserve: preserveTimestamps,
    })
  }

  /** Makes `path` a symlink to `target`. */
  async symlink(target: string, path: string): Promise<void> {
    await this.#call('symlink', path, { operation: 'SYMLINK', to: checked('symlink', target) })
  }

  async readlink(path: string): Promise<string> {
    return (await this.#call('readlink', path, { operation: 'READ_LINK' })).path as string
  }

  async realpath(path: string): Promise<string> {
    return (await this.#call('realpath', path, { operation: 'REAL_PATH' })).path as string
  }

  async link(existing: string, path: string): Promise<void> {
    await this.#call('link', existing, { operation: 'LINK', to: checked('link', path) })
  }

  async chmod(path: string, mode: number): Promise<void> {
    await this.#call('chmod', path, { operation: 'CHMOD', mode })
  }

  async chown(path: string, uid: number, gid: number): Promise<void> {
    await this.#call('chown', path, { operation: 'CHOWN', uid, gid, follow: true })
  }

  async lchown(path: string, uid: number, gid: number): Promise<void> {
    await this.#call('lchown', path, { operation: 'CHOWN', uid, gid })
  }

  async utimes(path: string, atime: Time, mtime: Time): Promise<void> {
    const times = { atimeMs: timeMs(atime), mtimeMs: timeMs(mtime) }
    await this.#call('utimes', path, { operation: 'SET_TIMES', follow: true, ...times })
  }

  async lutimes(path: string, atime: Time, mtime: Time): Promise<void> {
    const times = { atimeMs: timeMs(atime), mtimeMs: timeMs(mtime) }
    await this.#call('lutimes', path, { operation: 'SET_TIMES', ...times })
  }

  async truncate(path: string, length = 0): Promise<void> {
    await this.#call('truncate', path, { operation: 'TRUNCATE', length })
  }

  /** Reads as a stream; failures are its `error`. */
  createReadStream(path: string, options: BufferEncoding | ReadStreamOptions = {}): FileReadStream {
    const given = typeof options === 'string' ? { encoding: options } : options
    return new FileReadStream(this.#native, { path: checked('createReadStream', path) }, given)
  }

  /** Writes as a stream; failures are its `error`, and all is written once it has finished. */
  createWriteStream(path: string, options: BufferEncoding | WriteStreamOptions = {}): FileWriteStream {
    const given = typeof options === 'string' ? { encoding: options } : options
    checkArgument('fs.createWriteStream', 'flags', given.flags ?? 'w', flagCheck)
    return new FileWriteStream(this.#native, { path: checked('createWriteStream', path) }, given)
  }

  /**
   * What changes at `path`, or with `recursive` anywhere below it, as an endless iterable; leaving the loop or aborting
   * `signal` ends the watch. It begins with the call: of what you ask of this box afterwards nothing is missed, of what goes on in
   * it nothing from the first `next()` that has resolved. If the box changes files faster than they can be told it rejects with
   * `EOVERFLOW`: a gap is never hidden.
   */
  watch(path: string, options: WatchOptions = {}): AsyncIterableIterator<FileChangeEvent> {
    return watch(this.#native, checked('watch', path), options)
  }

  #call(method: string, path: string, input: FileInput): Promise<FileOutput> {
    return settled(this.#native.call({ path: method === 'mkdtemp' ? prefix(path) : checked(method, path), ...input }))
  }
}

function checked(method: string, path: string): string {
  checkArgument(`fs.${method}`, 'path', path, text)
  return path
}

function prefix(path: string): string {
  checkArgument('fs.mkdtemp', 'prefix', path, word)
  return path
}

function stats({ stat }: FileOutput): Stats {
  return new Stats(stat as NonNullable<FileOutput['stat']>)
}
