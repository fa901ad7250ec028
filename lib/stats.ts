// `Stats`, `BigIntStats`, `StatFs` and `Dirent` as Node has them. Made by `fs.ts`, `file-handle.ts` and `directory.ts`.
import { posix } from 'node:path'
import type { NativeEntry, NativeExactStat, NativePath, NativeStat, NativeStatFs } from './binding.js'
import { constants } from './file-constants.js'
import { inEncoding, type NameEncoding, pathText } from './file-path.js'

const { S_IFMT, S_IFIFO, S_IFCHR, S_IFDIR, S_IFBLK, S_IFREG, S_IFLNK, S_IFSOCK } = constants

/** What kind of file something is. */
abstract class FileType {
  /** The file type bits of its mode. */
  protected abstract kind(): number

  isFile(): boolean {
    return this.kind() === S_IFREG
  }
  isDirectory(): boolean {
    return this.kind() === S_IFDIR
  }
  isSymbolicLink(): boolean {
    return this.kind() === S_IFLNK
  }
  isFIFO(): boolean {
    return this.kind() === S_IFIFO
  }
  isSocket(): boolean {
    return this.kind() === S_IFSOCK
  }
  isBlockDevice(): boolean {
    return this.kind() === S_IFBLK
  }
  isCharacterDevice(): boolean {
    return this.kind() === S_IFCHR
  }
}

/** The attributes of a file in a box, as Node's `fs.Stats`. All of them are own properties: a copy by spread or JSON is complete. */
export class Stats extends FileType {
  declare readonly dev: number
  /** File type and permissions. */
  declare readonly mode: number
  declare readonly nlink: number
  declare readonly uid: number
  declare readonly gid: number
  declare readonly rdev: number
  declare readonly blksize: number
  declare readonly ino: number
  /** Bytes. */
  declare readonly size: number
  /** Allocated, of 512 bytes each. */
  declare readonly blocks: number
  declare readonly atimeMs: number
  declare readonly mtimeMs: number
  declare readonly ctimeMs: number
  declare readonly birthtimeMs: number
  declare readonly atime: Date
  declare readonly mtime: Date
  declare readonly ctime: Date
  declare readonly birthtime: Date

  constructor(stat: NativeStat) {
    super()
    const { exact, ...numbers } = stat
    Object.assign(this, numbers, datesOf(stat))
  }

  protected override kind(): number {
    return this.mode & S_IFMT
  }
}

/** {@link Stats} with numbers of any size, and times in nanoseconds too; as Node's `fs.BigIntStats`. */
export class BigIntStats extends FileType {
  declare readonly dev: bigint
  /** File type and permissions. */
  declare readonly mode: bigint
  declare readonly nlink: bigint
  declare readonly uid: bigint
  declare readonly gid: bigint
  declare readonly rdev: bigint
  declare readonly blksize: bigint
  declare readonly ino: bigint
  /** Bytes. */
  declare readonly size: bigint
  /** Allocated, of 512 bytes each. */
  declare readonly blocks: bigint
  readonly atimeMs: bigint
  readonly mtimeMs: bigint
  readonly ctimeMs: bigint
  readonly birthtimeMs: bigint
  declare readonly atimeNs: bigint
  declare readonly mtimeNs: bigint
  declare readonly ctimeNs: bigint
  declare readonly birthtimeNs: bigint
  declare readonly atime: Date
  declare readonly mtime: Date
  declare readonly ctime: Date
  declare readonly birthtime: Date

  constructor(stat: NativeStat, exact: NativeExactStat) {
    super()
    const { mode, nlink, uid, gid, blksize } = stat
    Object.assign(this, exact, mapped({ mode, nlink, uid, gid, blksize }, BigInt), datesOf(stat))
    this.atimeMs = exact.atimeNs / NS_PER_MS
    this.mtimeMs = exact.mtimeNs / NS_PER_MS
    this.ctimeMs = exact.ctimeNs / NS_PER_MS
    this.birthtimeMs = exact.birthtimeNs / NS_PER_MS
  }

  protected override kind(): number {
    return Number(this.mode) & S_IFMT
  }
}

/** The attributes in plain numbers, or in bigints if the addon gave those. */
export function statsOf(stat: NativeStat): Stats | BigIntStats {
  return stat.exact === undefined ? new Stats(stat) : new BigIntStats(stat, stat.exact)
}

const NS_PER_MS = 1_000_000n

/** The times of a file as dates. */
function datesOf(stat: NativeStat): Pick<Stats, 'atime' | 'mtime' | 'ctime' | 'birthtime'> {
  const { atimeMs: atime, mtimeMs: mtime, ctimeMs: ctime, birthtimeMs: birthtime } = stat
  return mapped({ atime, mtime, ctime, birthtime }, ms => new Date(Math.round(ms)))
}

/** The same names, each with the other form of its value. */
function mapped<K extends string, From, To>(values: Record<K, From>, form: (value: From) => To): Record<K, To> {
  const pairs = Object.entries<From>(values).map(([name, value]) => [name, form(value)])
  return Object.fromEntries(pairs)
}

/** How full a file system in a box is, as Node's `fs.StatFs`. */
export class StatFs<T extends number | bigint = number> {
  /** Linux's number of the kind of file system: `0xef53` is ext4. */
  declare readonly type: T
  /** Bytes of a block. */
  declare readonly bsize: T
  declare readonly blocks: T
  declare readonly bfree: T
  /** Free blocks for others than root. */
  declare readonly bavail: T
  /** How many files there can be. */
  declare readonly files: T
  declare readonly ffree: T

  constructor(stat: NativeStatFs, number: (value: bigint) => T) {
    Object.assign(this, mapped({ ...stat }, number))
  }
}

/** An entry of a directory in a box, as Node's `fs.Dirent`. */
export class Dirent<T extends string | Buffer = string> extends FileType {
  /** Its own name. */
  readonly name: T
  /** The directory that holds it. */
  readonly parentPath: string
  readonly #kind: number

  constructor(folder: NativePath, entry: NativeEntry, encoding?: NameEncoding | null) {
    super()
    const { name, kind } = entry
    const slash = name.lastIndexOf('/')
    this.name = inEncoding(name.slice(slash + 1) as NativePath, encoding) as T
    const parent = pathText(folder)
    this.parentPath = slash < 0 ? parent : posix.join(parent, pathText(name.slice(0, slash) as NativePath))
    this.#kind = kind
  }

  protected override kind(): number {
    return this.#kind & S_IFMT
  }
}
