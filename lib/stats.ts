// `Stats` and `Dirent` as Node has them. Made by `fs.ts` and `file-handle.ts`.
import { posix } from 'node:path'
import type { NativeEntry, NativeStat } from './binding.js'

const TYPE = 0o170000
const [FIFO, CHARACTER, DIRECTORY, BLOCK, REGULAR, LINK, SOCKET] = [
  0o010000, 0o020000, 0o040000, 0o060000, 0o100000, 0o120000, 0o140000,
]

/** What kind of file something is. */
abstract class FileType {
  readonly #type: number

  constructor(mode: number) {
    this.#type = mode & TYPE
  }

  isFile(): boolean {
    return this.#type === REGULAR
  }
  isDirectory(): boolean {
    return this.#type === DIRECTORY
  }
  isSymbolicLink(): boolean {
    return this.#type === LINK
  }
  isFIFO(): boolean {
    return this.#type === FIFO
  }
  isSocket(): boolean {
    return this.#type === SOCKET
  }
  isBlockDevice(): boolean {
    return this.#type === BLOCK
  }
  isCharacterDevice(): boolean {
    return this.#type === CHARACTER
  }
}

/** What a file in a box is like, as Node's `fs.Stats`. */
export class Stats extends FileType {
  readonly dev: number
  readonly ino: number
  /** File type and permissions. */
  readonly mode: number
  readonly nlink: number
  readonly uid: number
  readonly gid: number
  readonly rdev: number
  /** Bytes. */
  readonly size: number
  readonly blksize: number
  /** Allocated, of 512 bytes each. */
  readonly blocks: number
  readonly atimeMs: number
  readonly mtimeMs: number
  readonly ctimeMs: number
  readonly birthtimeMs: number

  constructor(stat: NativeStat) {
    super(stat.mode)
    this.dev = stat.dev
    this.ino = stat.ino
    this.mode = stat.mode
    this.nlink = stat.nlink
    this.uid = stat.uid
    this.gid = stat.gid
    this.rdev = stat.rdev
    this.size = stat.size
    this.blksize = stat.blksize
    this.blocks = stat.blocks
    this.atimeMs = stat.atimeMs
    this.mtimeMs = stat.mtimeMs
    this.ctimeMs = stat.ctimeMs
    this.birthtimeMs = stat.birthtimeMs
  }

  get atime(): Date {
    return new Date(Math.round(this.atimeMs))
  }
  get mtime(): Date {
    return new Date(Math.round(this.mtimeMs))
  }
  get ctime(): Date {
    return new Date(Math.round(this.ctimeMs))
  }
  get birthtime(): Date {
    return new Date(Math.round(this.birthtimeMs))
  }
}

/** An entry of a directory in a box, as Node's `fs.Dirent`. */
export class Dirent extends FileType {
  /** Its own name. */
  readonly name: string
  /** The directory that holds it. */
  readonly parentPath: string

  constructor(folder: string, entry: NativeEntry) {
    super(entry.kind)
    const below = posix.dirname(entry.name)
    this.name = posix.basename(entry.name)
    this.parentPath = below === '.' ? folder : posix.join(folder, below)
  }
}
