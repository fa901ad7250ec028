// `FileSystem`: the files of a box, with the names and semantics of `node:fs/promises`. Made by `box.ts`.
//
// Each call checks all of its arguments before anything is done; what it takes is in `options/files.ts`, `file-path.ts`,
// `file-mode.ts` and `file-flags.ts`.
import { type Answer, type NativeFiles, type NativePath, settled } from './binding.js'
import { bindMembers } from './bound.js'
import { type Bytes, dataToBuffer } from './bytes.js'
import { checkArgument, checkOptions, integer, type Shape } from './check.js'
import { type CpOptions, cp, notCloned } from './cp.js'
import { type Dir, makeDir } from './directory.js'
import type { FileError } from './errors.js'
import { constants } from './file-constants.js'
import { collect, send } from './file-contents.js'
import { dataOf, type FileData } from './file-data.js'
import { flagBits, flags as flagCheck, type OpenFlags } from './file-flags.js'
import { type FileHandle, isFileHandle, makeFileHandle } from './file-handle.js'
import { type FileMode, fileLength, modeBits, ownerId, type Time, timeMs } from './file-mode.js'
import { checkEncoded, type FilePath, inEncoding, isRaw, type NameEncoding, nativePath } from './file-path.js'
import { FileReadStream } from './file-read-stream.js'
import { FileWriteStream } from './file-write-stream.js'
import {
  checkRead,
  partLength,
  READ_STREAM,
  type ReadStreamOptions,
  WRITE_STREAM,
  type WriteStreamOptions,
} from './options/file-streams.js'
import {
  attributeName,
  attributeSize,
  linkType,
  MKDIR,
  type MkdirOptions,
  NAMES,
  type NameOptions,
  noOptions,
  OPEN_DIR,
  type OpenDirOptions,
  READ_DIR,
  READ_FILE,
  type ReadDirOptions,
  type ReadFileOptions,
  RM,
  type RmOptions,
  SET_XATTR,
  type SetXattrOptions,
  STAT,
  type StatOptions,
  WRITE_FILE,
  type WriteFileOptions,
  XATTR,
  type XattrOptions,
} from './options/files.js'
import { user as userCheck, userName } from './options/values.js'
import { type BigIntStats, Dirent, StatFs, type Stats, statsOf } from './stats.js'
import { checkWatch, type FileChangeEvent, type WatchOptions, watch } from './watch.js'

type ReadEncoding = BufferEncoding | 'buffer' | null

/** Makes a box's file system. Not part of the public API. */
export let makeFileSystem: (native: NativeFiles) => FileSystem

/**
 * The files of a box as its processes see them, mounts and tmpfs included; `box.fs`. Calls run as root, or as the user of
 * {@link FileSystem.as}. Names and semantics are those of `node:fs/promises`, and so are the errors: a {@link FileError} has `code`
 * (`'ENOENT'`), `errno`, `syscall` and `path`; a wrong argument or an unknown option is an `INVALID_ARGUMENT`, before anything is
 * done. Relative paths begin at the box's working directory. Each call starts the box if it does not run.
 *
 * The calls belong to their box: `const { readFile } = box.fs` works.
 */
export class FileSystem {
  /** Linux's numbers, by Node's names. */
  readonly constants: typeof constants = constants
  #native: NativeFiles

  static {
    makeFileSystem = native => new this(native)
  }

  private constructor(native: NativeFiles) {
    this.#native = native
    bindMembers(this)
  }

  /**
   * Returns the same files as another user of the box sees them: `'name'`, `'uid'`, `'name:group'`, `'uid:gid'` or a uid. The kernel checks
   * every call as it does this user's processes, with the groups of the box's `/etc/group` and the umask `0o022`: what it may not do
   * is `EACCES` or `EPERM`, and what it makes belongs to it. Streams and handles keep their user.
   */
  as(user: string | number): FileSystem {
    checkArgument('fs.as', 'user', user, userCheck)
    return makeFileSystem(this.#native.as(userName(user) as string))
  }

  readFile(path: FilePath | FileHandle, options: BufferEncoding | ReadFileOptions<BufferEncoding>): Promise<string>
  readFile(path: FilePath | FileHandle, options?: ReadFileOptions<null> | 'buffer' | null): Promise<Buffer>
  readFile(path: FilePath | FileHandle, options?: ReadEncoding | ReadFileOptions): Promise<string | Buffer>
  async readFile(path: FilePath | FileHandle, options?: ReadEncoding | ReadFileOptions): Promise<string | Buffer> {
    if (isFileHandle(path)) return path.readFile(options as BufferEncoding)
    const file = nativePath('fs.readFile', 'path', path)
    const { encoding, flag = 'r', signal } = checkEncoded('fs.readFile', options, READ_FILE)
    const [native, flags] = [this.#native, flagBits(flag)]
    const whole = (max: number) => native.readFile(file, flags, max)
    return collect({ whole, stream: () => native.read(file, { flags, mode: 0o666 }) }, encoding, signal)
  }

  async writeFile(
    path: FilePath | FileHandle,
    data: FileData,
    options?: BufferEncoding | WriteFileOptions | null,
  ): Promise<void> {
    if (isFileHandle(path)) return path.writeFile(data, options)
    return this.#write('fs.writeFile', path, data, options, 'w')
  }

  async appendFile(
    path: FilePath | FileHandle,
    data: FileData,
    options?: BufferEncoding | WriteFileOptions | null,
  ): Promise<void> {
    if (isFileHandle(path)) return path.appendFile(data, options)
    return this.#write('fs.appendFile', path, data, options, 'a')
  }

  async #write(operation: string, path: FilePath, data: FileData, options: unknown, usual: OpenFlags): Promise<void> {
    const file = nativePath(operation, 'path', path)
    const given = checkEncoded(operation, options, WRITE_FILE)
    const { encoding, mode, flag = usual, flush, signal } = given
    const content = dataOf(operation, data, encoding)
    const how = { flags: flagBits(flag), mode: modeBits(operation, mode, 0o666), flush }
    const native = this.#native
    const whole = (bytes: Buffer) => native.writeFile(file, bytes, how)
    await send({ whole, stream: () => native.write(file, how) }, content, signal)
  }

  async open(path: FilePath, flags?: OpenFlags | null, mode?: FileMode | null): Promise<FileHandle> {
    const file = nativePath('fs.open', 'path', path)
    const how = flags ?? 'r'
    checkArgument('fs.open', 'flags', how, flagCheck)
    const bits = modeBits('fs.open', mode, 0o666)
    return makeFileHandle(await settled(this.#native.open(file, flagBits(how), bits)))
  }

  readdir(
    path: FilePath,
    options: ReadDirOptions & { encoding: 'buffer'; withFileTypes: true },
  ): Promise<Dirent<Buffer>[]>
  readdir(path: FilePath, options: ReadDirOptions & { withFileTypes: true }): Promise<Dirent[]>
  readdir(
    path: FilePath,
    options: 'buffer' | (ReadDirOptions & { encoding: 'buffer'; withFileTypes?: false }),
  ): Promise<Buffer[]>
  readdir(
    path: FilePath,
    options?: (ReadDirOptions & { withFileTypes?: false }) | BufferEncoding | null,
  ): Promise<string[]>
  async readdir(
    path: FilePath,
    options?: ReadDirOptions | NameEncoding | null,
  ): Promise<string[] | Buffer[] | Dirent<string>[] | Dirent<Buffer>[]> {
    const folder = nativePath('fs.readdir', 'path', path)
    const { withFileTypes, recursive = false, encoding } = checkEncoded('fs.readdir', options, READ_DIR)
    const entries = await settled(this.#native.readDirectory(folder, recursive, isRaw(encoding)))
    if (withFileTypes) return entries.map(entry => new Dirent<string>(folder, entry, encoding))
    return entries.map(({ name }) => inEncoding(name, encoding)) as string[]
  }

  /** Lists a directory of any size in chunks, in the order of its file system. */
  async opendir(path: FilePath, options?: OpenDirOptions | NameEncoding | null): Promise<Dir> {
    const folder = nativePath('fs.opendir', 'path', path)
    const { recursive = false, encoding } = checkEncoded('fs.opendir', options, OPEN_DIR)
    return makeDir(folder, await settled(this.#native.openDirectory(folder, recursive, isRaw(encoding))), encoding)
  }

  stat(path: FilePath, options: StatOptions & { bigint: true }): Promise<BigIntStats>
  stat(path: FilePath, options?: StatOptions & { bigint?: false }): Promise<Stats>
  stat(path: FilePath, options?: StatOptions): Promise<Stats | BigIntStats>
  async stat(path: FilePath, options?: StatOptions): Promise<Stats | BigIntStats> {
    return this.#stat('fs.stat', path, options, true)
  }

  lstat(path: FilePath, options: StatOptions & { bigint: true }): Promise<BigIntStats>
  lstat(path: FilePath, options?: StatOptions & { bigint?: false }): Promise<Stats>
  lstat(path: FilePath, options?: StatOptions): Promise<Stats | BigIntStats>
  async lstat(path: FilePath, options?: StatOptions): Promise<Stats | BigIntStats> {
    return this.#stat('fs.lstat', path, options, false)
  }

  async #stat(operation: string, path: FilePath, options: unknown, follow: boolean): Promise<Stats | BigIntStats> {
    const file = nativePath(operation, 'path', path)
    const { bigint = false } = checkOptions(operation, options, STAT)
    return statsOf(await settled(this.#native.stat(file, follow, bigint)))
  }

  statfs(path: FilePath, options: StatOptions & { bigint: true }): Promise<StatFs<bigint>>
  statfs(path: FilePath, options?: StatOptions & { bigint?: false }): Promise<StatFs>
  statfs(path: FilePath, options?: StatOptions): Promise<StatFs | StatFs<bigint>>
  async statfs(path: FilePath, options?: StatOptions): Promise<StatFs | StatFs<bigint>> {
    const file = nativePath('fs.statfs', 'path', path)
    checkOptions('fs.statfs', options, STAT)
    const stat = await settled(this.#native.statfs(file))
    return options?.bigint ? new StatFs(stat, value => value) : new StatFs(stat, Number)
  }

  /** Resolves if the file exists and, with bits of `constants.R_OK`, `W_OK` and `X_OK`, allows that. */
  async access(path: FilePath, mode?: number | null): Promise<void> {
    const file = nativePath('fs.access', 'path', path)
    checkArgument('fs.access', 'mode', mode ?? 0, integer(0, 7))
    await settled(this.#native.access(file, mode ?? 0))
  }

  /** Resolves with whether something exists at `path`. Rejects only if the check fails. */
  async exists(path: FilePath): Promise<boolean> {
    return settled(this.#native.exists(nativePath('fs.exists', 'path', path)))
  }

  /** Resolves with the first directory that `recursive` made, else with `undefined`. */
  async mkdir(path: FilePath, options?: FileMode | MkdirOptions | null): Promise<string | undefined> {
    const file = nativePath('fs.mkdir', 'path', path)
    const given = typeof options === 'number' || typeof options === 'string' ? { mode: options } : (options ?? {})
    checkOptions('fs.mkdir', given, MKDIR)
    const { recursive = false, mode } = given
    return (await settled(this.#native.mkdir(file, modeBits('fs.mkdir', mode, 0o777), recursive))) ?? undefined
  }

  mkdtemp(prefix: FilePath, options: 'buffer' | (NameOptions & { encoding: 'buffer' })): Promise<Buffer>
  mkdtemp(prefix: FilePath, options?: BufferEncoding | NameOptions | null): Promise<string>
  /** Makes a directory of a new name that begins with `prefix`, and resolves with its path. */
  async mkdtemp(prefix: FilePath, options?: NameEncoding | NameOptions | null): Promise<string | Buffer> {
    const file = nativePath('fs.mkdtemp', 'prefix', prefix)
    return named('fs.mkdtemp', options, raw => this.#native.mkdtemp(file, raw))
  }

  /** Removes an empty directory; {@link FileSystem.rm} with `recursive` removes any directory. */
  async rmdir(path: FilePath, options?: Record<string, never>): Promise<void> {
    checkArgument('fs.rmdir', 'options', options, noOptions)
    await settled(this.#native.rmdir(nativePath('fs.rmdir', 'path', path)))
  }

  async unlink(path: FilePath): Promise<void> {
    await settled(this.#native.unlink(nativePath('fs.unlink', 'path', path)))
  }

  /** Removes a file, or with `recursive` a tree, else `ERR_FS_EISDIR`. With `force` it need not exist. */
  async rm(path: FilePath, options?: RmOptions): Promise<void> {
    const file = nativePath('fs.rm', 'path', path)
    await settled(this.#native.rm(file, checkOptions('fs.rm', options, RM)))
  }

  async rename(from: FilePath, to: FilePath): Promise<void> {
    const target = nativePath('fs.rename', 'newPath', to)
    await settled(this.#native.rename(nativePath('fs.rename', 'oldPath', from), target))
  }

  /** Copies one file with its mode. With `mode` 1, `constants.COPYFILE_EXCL`, the copy fails if `to` exists. */
  async copyFile(from: FilePath, to: FilePath, mode?: number | null): Promise<void> {
    const [file, target] = [nativePath('fs.copyFile', 'src', from), nativePath('fs.copyFile', 'dest', to)]
    const how = mode ?? 0
    checkArgument('fs.copyFile', 'mode', how, integer(0, 7))
    if (how & constants.COPYFILE_FICLONE_FORCE) throw notCloned(file, target)
    await settled(this.#native.copyFile(file, target, (how & constants.COPYFILE_EXCL) !== 0))
  }

  /**
   * Copies a file or a tree inside the box, by Node's rules for what exists: files and symlinks replace their like, a file a symlink too,
   * directories are merged and keep their mode. Holes are preserved.
   */
  async cp(from: FilePath, to: FilePath, options?: CpOptions): Promise<void> {
    await cp(this.#native, nativePath('fs.cp', 'src', from), nativePath('fs.cp', 'dest', to), options)
  }

  /** Makes `path` a symlink to `target`. `type` has no effect: Linux has one kind of symlink. */
  async symlink(target: FilePath, path: FilePath, type?: 'dir' | 'file' | 'junction' | null): Promise<void> {
    const to = nativePath('fs.symlink', 'target', target)
    checkArgument('fs.symlink', 'type', type, linkType)
    await settled(this.#native.symlink(to, nativePath('fs.symlink', 'path', path)))
  }

  readlink(path: FilePath, options: 'buffer' | (NameOptions & { encoding: 'buffer' })): Promise<Buffer>
  readlink(path: FilePath, options?: BufferEncoding | NameOptions | null): Promise<string>
  async readlink(path: FilePath, options?: NameEncoding | NameOptions | null): Promise<string | Buffer> {
    const link = nativePath('fs.readlink', 'path', path)
    return named('fs.readlink', options, raw => this.#native.readlink(link, raw))
  }

  realpath(path: FilePath, options: 'buffer' | (NameOptions & { encoding: 'buffer' })): Promise<Buffer>
  realpath(path: FilePath, options?: BufferEncoding | NameOptions | null): Promise<string>
  async realpath(path: FilePath, options?: NameEncoding | NameOptions | null): Promise<string | Buffer> {
    const file = nativePath('fs.realpath', 'path', path)
    return named('fs.realpath', options, raw => this.#native.realpath(file, raw))
  }

  async link(existing: FilePath, path: FilePath): Promise<void> {
    const to = nativePath('fs.link', 'newPath', path)
    await settled(this.#native.link(nativePath('fs.link', 'existingPath', existing), to))
  }

  async chmod(path: FilePath, mode: FileMode): Promise<void> {
    await settled(this.#native.chmod(nativePath('fs.chmod', 'path', path), modeBits('fs.chmod', mode)))
  }

  /** Changes the owner; -1 leaves the user or the group as it is. */
  async chown(path: FilePath, uid: number, gid: number): Promise<void> {
    await this.#chown('fs.chown', path, uid, gid, true)
  }

  /** Does what {@link FileSystem.chown} does, to a symlink itself. */
  async lchown(path: FilePath, uid: number, gid: number): Promise<void> {
    await this.#chown('fs.lchown', path, uid, gid, false)
  }

  async #chown(operation: string, path: FilePath, uid: number, gid: number, follow: boolean): Promise<void> {
    const file = nativePath(operation, 'path', path)
    const [user, group] = [ownerId(operation, 'uid', uid), ownerId(operation, 'gid', gid)]
    await settled(this.#native.chown(file, user, group, follow))
  }

  async utimes(path: FilePath, atime: Time, mtime: Time): Promise<void> {
    await this.#utimes('fs.utimes', path, atime, mtime, true)
  }

  /** Does what {@link FileSystem.utimes} does, to a symlink itself. */
  async lutimes(path: FilePath, atime: Time, mtime: Time): Promise<void> {
    await this.#utimes('fs.lutimes', path, atime, mtime, false)
  }

  async #utimes(operation: string, path: FilePath, atime: Time, mtime: Time, follow: boolean): Promise<void> {
    const file = nativePath(operation, 'path', path)
    const [atimeMs, mtimeMs] = [timeMs(operation, 'atime', atime), timeMs(operation, 'mtime', mtime)]
    await settled(this.#native.utimes(file, atimeMs, mtimeMs, follow))
  }

  async truncate(path: FilePath, length = 0): Promise<void> {
    const file = nativePath('fs.truncate', 'path', path)
    await settled(this.#native.truncate(file, fileLength('fs.truncate', length)))
  }

  /** Resolves with the value of an extended attribute, such as `'user.origin'`. Not in Node. */
  async getxattr(path: FilePath, name: string, options?: XattrOptions): Promise<Buffer> {
    const [file, follow] = attribute('fs.getxattr', path, name, options, XATTR)
    return settled(this.#native.getxattr(file, name, follow))
  }

  /** Sets an extended attribute. Not in Node. */
  async setxattr(path: FilePath, name: string, value: string | Bytes, options?: SetXattrOptions): Promise<void> {
    const [file, follow] = attribute('fs.setxattr', path, name, options, SET_XATTR)
    const data = dataToBuffer('fs.setxattr', 'value', value)
    checkArgument('fs.setxattr', 'value', data.length, attributeSize)
    // XATTR_CREATE and XATTR_REPLACE of setxattr(2).
    const flags = options?.flag ? { create: 1, replace: 2 }[options.flag] : 0
    await settled(this.#native.setxattr(file, name, data, flags, follow))
  }

  /** Resolves with the names of all extended attributes, sorted. Not in Node. */
  async listxattr(path: FilePath, options?: XattrOptions): Promise<string[]> {
    const file = nativePath('fs.listxattr', 'path', path)
    const { follow = true } = checkOptions('fs.listxattr', options, XATTR)
    return settled(this.#native.listxattr(file, follow))
  }

  /** Removes an extended attribute; `ENODATA` where there is none. Not in Node. */
  async removexattr(path: FilePath, name: string, options?: XattrOptions): Promise<void> {
    const [file, follow] = attribute('fs.removexattr', path, name, options, XATTR)
    await settled(this.#native.removexattr(file, name, follow))
  }

  /** Reads as a stream; failures are its `error`. */
  createReadStream(path: FilePath, options?: BufferEncoding | ReadStreamOptions | null): FileReadStream {
    const file = nativePath('fs.createReadStream', 'path', path)
    const given = checkRead('fs.createReadStream', options, READ_STREAM)
    const { start = 0, flags = 'r' } = given
    const mode = modeBits('fs.createReadStream', given.mode, 0o666)
    const input = { offset: start, length: partLength(given), flags: flagBits(flags), mode }
    return new FileReadStream(() => this.#native.read(file, input), given, path)
  }

  /** Writes as a stream; failures are its `error`, and all is written once it has finished. */
  createWriteStream(path: FilePath, options?: BufferEncoding | WriteStreamOptions | null): FileWriteStream {
    const file = nativePath('fs.createWriteStream', 'path', path)
    const given = checkEncoded('fs.createWriteStream', options, WRITE_STREAM)
    const { start, flags = 'w', flush } = given
    const mode = modeBits('fs.createWriteStream', given.mode, 0o666)
    const input = { offset: start, flags: flagBits(flags), mode, flush }
    return new FileWriteStream(() => this.#native.write(file, input), given, path)
  }

  watch(
    path: FilePath,
    options: 'buffer' | (WatchOptions & { encoding: 'buffer' }),
  ): AsyncIterableIterator<FileChangeEvent<Buffer>>
  watch(path: FilePath, options?: WatchOptions | BufferEncoding | null): AsyncIterableIterator<FileChangeEvent>
  /**
   * Watches `path`, or with `recursive` everything below it too, and returns the changes as an endless iterable; leaving the loop or
   * aborting `signal` ends the watch. The watch misses no change that you make through this box after the call, and no change that
   * the box's processes make after the first `next()` has resolved. If files change faster than the changes can be sent, the
   * iterable rejects with `EOVERFLOW`: a gap is never hidden.
   */
  watch(
    path: FilePath,
    options?: WatchOptions | NameEncoding | null,
  ): AsyncIterableIterator<FileChangeEvent> | AsyncIterableIterator<FileChangeEvent<Buffer>> {
    const file = nativePath('fs.watch', 'path', path)
    return watch(this.#native, file, checkWatch(options))
  }
}

/** The path that a verb resolves with, in the caller's encoding. */
async function named(operation: string, options: unknown, verb: (raw: boolean) => Answer<NativePath>): Promise<string> {
  const { encoding } = checkEncoded(operation, options, NAMES)
  return inEncoding(await settled(verb(isRaw(encoding))), encoding) as string
}

/** The file of an extended attribute, and whether a symlink to it is followed. */
function attribute(operation: string, path: FilePath, name: string, options: unknown, shape: Shape<XattrOptions>) {
  const file = nativePath(operation, 'path', path)
  checkArgument(operation, 'name', name, attributeName)
  const { follow = true } = checkOptions(operation, options, shape)
  return [file, follow] as const
}
