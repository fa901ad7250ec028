// `Stats`, `BigIntStats`, `StatFs` and `Dirent` as Node has them. Made by `fs.ts`, `file-handle.ts` and `directory.ts`.
import { posix } from 'node:path'
import type { NativeEntry, NativeExactStat, NativePath, NativeStat, NativeStatFs } from './binding.js'
import { inEncoding, type NameEncoding, pathText } from './file-path.js'

const TYPE = 0o170000
const [FIFO, CHARACTER, DIRECTORY, BLOCK, REGULAR, LINK, SOCKET] = [
  0o010000, 0o020000, 0o040000, 0o060000, 0o100000, 0o120000, 0o140000,
]

/** What kind of file something is. */
abstract class FileType {
  /** The file type bits of its mode. */
  protected abstract kind(): number

  isFile(): boolean {
    return this.kind() === REGULAR
  }
  isDirectory(): boolean {
    return this.kind() === DIRECTORY
  }
  isSymbolicLink(): boolean {
    return this.kind() === LINK
  }
  isFIFO(): boolean {
    return this.kind() === FIFO
  }
  isSocket(): boolean {
    return this.kind() === SOCKET
  }
  isBlockDevice(): boolean {
    return this.kind() === BLOCK
  }
  isCharacterDevice(): boolean {
    return this.kind() === CHARACTER
  }
}

/** The attributes of a file in a box, as Node's `fs.Stats`. All of them are own properties: a copy by spread or JSON is complete. */
export class Stats extends FileType {
  readonly dev: number
  /** File type and permissions. */
  readonly mode: number
  readonly nlink: number
  readonly uid: number
  readonly gid: number
  readonly rdev: number
  readonly blksize: number
  readonly ino: number
  /** Bytes. */
  readonly size: number
  /** Allocated, of 512 bytes each. */
  readonly blocks: number
  readonly atimeMs: number
  readonly mtimeMs: number
  readonly ctimeMs: number
  readonly birthtimeMs: number
  readonly atime: Date
  readonly mtime: Date
  readonly ctime: Date
  readonly birthtime: Date

  constructor(stat: NativeStat) {
    super()
    this.dev = stat.dev
    this.mode = stat.mode
    this.nlink = stat.nlink
    this.uid = stat.uid
    this.gid = stat.gid
    this.rdev = stat.rdev
    this.blksize = stat.blksize
    this.ino = stat.ino
    this.size = stat.size
    this.blocks = stat.blocks
    this.atimeMs = stat.atimeMs
    this.mtimeMs = stat.mtimeMs
    this.ctimeMs = stat.ctimeMs
    this.birthtimeMs = stat.birthtimeMs
    this.atime = dateOf(stat.atimeMs)
    this.mtime = dateOf(stat.mtimeMs)
    this.ctime = dateOf(stat.ctimeMs)
    this.birthtime = dateOf(stat.birthtimeMs)
  }

  protected override kind(): number {
    return this.mode & TYPE
  }
}

/** {@link Stats} with numbers of any size, and times in nanoseconds too; as Node's `fs.BigIntStats`. */
export class BigIntStats extends FileType {
  readonly dev: bigint
  /** File type and permissions. */
  readonly mode: bigint
  readonly nlink: bigint
  readonly uid: bigint
  readonly gid: bigint
  readonly rdev: bigint
  readonly blksize: bigint
  readonly ino: bigint
  /** Bytes. */
  readonly size: bigint
  /** Allocated, of 512 bytes each. */
  readonly blocks: bigint
  readonly atimeMs: bigint
  readonly mtimeMs: bigint
  readonly ctimeMs: bigint
  readonly birthtimeMs: bigint
  readonly atimeNs: bigint
  readonly mtimeNs: bigint
  readonly ctimeNs: bigint
  readonly birthtimeNs: bigint
  readonly atime: Date
  readonly mtime: Date
  readonly ctime: Date
  readonly birthtime: Date

  constructor(stat: NativeStat, exact: NativeExactStat) {
    super()
    this.dev = exact.dev
    this.mode = BigInt(stat.mode)
    this.nlink = BigInt(stat.nlink)
    this.uid = BigInt(stat.uid)
    this.gid = BigInt(stat.gid)
    this.rdev = exact.rdev
    this.blksize = BigInt(stat.blksize)
    this.ino = exact.ino
    this.size = exact.size
    this.blocks = exact.blocks
    this.atimeMs = exact.atimeNs / NS_PER_MS
    this.mtimeMs = exact.mtimeNs / NS_PER_MS
    this.ctimeMs = exact.ctimeNs / NS_PER_MS
    this.birthtimeMs = exact.birthtimeNs / NS_PER_MS
    this.atimeNs = exact.atimeNs
    this.mtimeNs = exact.mtimeNs
    this.ctimeNs = exact.ctimeNs
    this.birthtimeNs = exact.birthtimeNs
    this.atime = dateOf(stat.atimeMs)
    this.mtime = dateOf(stat.mtimeMs)
    this.ctime = dateOf(stat.ctimeMs)
    this.birthtime = dateOf(stat.birthtimeMs)
  }

  protected override kind(): number {
    return Number(this.mode) & TYPE
  }
}

/** The attributes in plain numbers, or in bigints if the addon gave those. */
export function statsOf(stat: NativeStat): Stats | BigIntStats {
  return stat.exact === undefined ? new Stats(stat) : new BigIntStats(stat, stat.exact)
}

const NS_PER_MS = 1_000_000n

function dateOf(ms: number): Date {
  return new Date(Math.round(ms))
}

/** How full a file system in a box is, as Node's `fs.StatFs`. */
export class StatFs<T extends number | bigint = number> {
  /** Linux's number of the kind of file system: `0xef53` is ext4. */
  readonly type: T
  /** Bytes of a block. */
  readonly bsize: T
  readonly blocks: T
  readonly bfree: T
  /** Free blocks for others than root. */
  readonly bavail: T
  /** How many files there can be. */
  readonly files: T
  readonly ffree: T

  constructor(stat: NativeStatFs, number: (value: bigint) => T) {
    this.type = number(stat.type)
    this.bsize = number(stat.bsize)
    this.blocks = number(stat.blocks)
    this.bfree = number(stat.bfree)
    this.bavail = number(stat.bavail)
    this.files = number(stat.files)
    this.ffree = number(stat.ffree)
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
    return this.#kind & TYPE
  }
}
