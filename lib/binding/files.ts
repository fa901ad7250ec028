// The addon's files of a box, as `src/addon/files.rs` and its neighbours make them.
import type { Answer } from './outcome.js'

/** A path as the addon takes and gives it: text, or its bytes where it is no UTF-8. */
export type NativePath = string | Buffer

/** How to read a file as a stream. */
export interface ReadInput {
  flags?: number | undefined
  mode?: number | undefined
  offset?: number | undefined
  length?: number | undefined
}

/** How to write a file. */
export interface WriteInput {
  flags?: number | undefined
  mode?: number | undefined
  offset?: number | undefined
  /** Bring what was written to the disk. */
  flush?: boolean | undefined
}

/** How to remove. */
export interface RmInput {
  recursive?: boolean | undefined
  force?: boolean | undefined
  maxRetries?: number | undefined
  /** Milliseconds before the first retry. */
  retryDelay?: number | undefined
}

/** How to copy inside a box. */
export interface CpInput {
  recursive?: boolean | undefined
  overwrite?: boolean | undefined
  errorOnExist?: boolean | undefined
  dereference?: boolean | undefined
  preserveTimes?: boolean | undefined
  verbatimSymlinks?: boolean | undefined
}

/** How to copy between host and box. */
export interface CopyInput {
  owner?: string | undefined
  replace?: boolean | undefined
  xattrs?: boolean | undefined
  maxBytes?: number | undefined
  maxEntries?: number | undefined
}

export interface NativeStat {
  dev: number
  ino: number
  mode: number
  nlink: number
  uid: number
  gid: number
  rdev: number
  size: number
  blksize: number
  blocks: number
  atimeMs: number
  mtimeMs: number
  ctimeMs: number
  birthtimeMs: number
  exact?: NativeExactStat
}

/** What may exceed JavaScript's numbers. */
export interface NativeExactStat {
  dev: bigint
  ino: bigint
  rdev: bigint
  size: bigint
  blocks: bigint
  atimeNs: bigint
  mtimeNs: bigint
  ctimeNs: bigint
  birthtimeNs: bigint
}

export interface NativeStatFs {
  type: bigint
  bsize: bigint
  blocks: bigint
  bfree: bigint
  bavail: bigint
  files: bigint
  ffree: bigint
}

export interface NativeEntry {
  name: NativePath
  kind: number
}

/** The verbs of files. `follow` is whether a symlink is followed, `raw` whether paths are answered as their bytes. */
export interface NativeFiles {
  /** The same files for another user of the box. */
  as(user: string): NativeFiles
  /** With `exact`, the answer has `NativeStat.exact`. */
  stat(path: NativePath, follow: boolean, exact: boolean): Answer<NativeStat>
  statfs(path: NativePath): Answer<NativeStatFs>
  access(path: NativePath, mode: number): Answer<void>
  exists(path: NativePath): Answer<boolean>
  mkdir(path: NativePath, mode: number, recursive: boolean): Answer<string | null>
  mkdtemp(prefix: NativePath, raw: boolean): Answer<NativePath>
  rmdir(path: NativePath): Answer<void>
  unlink(path: NativePath): Answer<void>
  rm(path: NativePath, options: RmInput): Answer<void>
  rename(from: NativePath, to: NativePath): Answer<void>
  copyFile(from: NativePath, to: NativePath, exclusive: boolean): Answer<void>
  cp(from: NativePath, to: NativePath, options: CpInput): Answer<void>
  /** Copies one level: `from` itself, or what has the given names in it. Resolves with which of it are directories to be filled. */
  cpShallow(from: NativePath, to: NativePath, names: string[], options: CpInput): Answer<boolean[]>
  symlink(target: NativePath, path: NativePath): Answer<void>
  readlink(path: NativePath, raw: boolean): Answer<NativePath>
  realpath(path: NativePath, raw: boolean): Answer<NativePath>
  link(existing: NativePath, path: NativePath): Answer<void>
  chmod(path: NativePath, mode: number): Answer<void>
  /** 4294967295 leaves the user or the group as it is. */
  chown(path: NativePath, uid: number, gid: number, follow: boolean): Answer<void>
  utimes(path: NativePath, atimeMs: number, mtimeMs: number, follow: boolean): Answer<void>
  truncate(path: NativePath, length: number): Answer<void>
  getxattr(path: NativePath, name: string, follow: boolean): Answer<Buffer>
  setxattr(path: NativePath, name: string, value: Uint8Array, flags: number, follow: boolean): Answer<void>
  listxattr(path: NativePath, follow: boolean): Answer<string[]>
  removexattr(path: NativePath, name: string, follow: boolean): Answer<void>
  open(path: NativePath, flags: number, mode: number): Answer<NativeOpenFile>
  readFile(path: NativePath, flags: number, max: number): Answer<Buffer>
  writeFile(path: NativePath, data: Uint8Array, options: WriteInput): Answer<void>
  read(path: NativePath, options: ReadInput): Answer<NativeFileReader>
  write(path: NativePath, options: WriteInput): Answer<NativeFileWriter>
  readDirectory(path: NativePath, recursive: boolean, raw: boolean): Answer<NativeEntry[]>
  openDirectory(path: NativePath, recursive: boolean, raw: boolean): Answer<NativeDirectory>
  watch(path: NativePath, recursive: boolean, raw: boolean): Answer<NativeWatcher>
  copyIn(from: string, to: string, options: CopyInput): NativeCopy
  copyOut(from: string, to: string, options: CopyInput): NativeCopy
  packOut(from: string, options: CopyInput): Answer<NativeFileReader>
  unpackIn(to: string, options: CopyInput): Answer<NativeArchiveWriter>
}

/** An open file, as `src/addon/open_file.rs` makes it. */
export interface NativeOpenFile {
  readonly fd: number
  stat(exact: boolean): Answer<NativeStat>
  truncate(length: number): Answer<void>
  chmod(mode: number): Answer<void>
  chown(uid: number, gid: number): Answer<void>
  utimes(atimeMs: number, mtimeMs: number): Answer<void>
  sync(dataOnly: boolean): Answer<void>
  close(): Answer<void>
  /** Reads fewer bytes than requested only at the end of the file. */
  readAt(length: number, offset: number | undefined): Answer<Buffer>
  writeAt(data: Uint8Array, offset: number | undefined): Answer<void>
  readFile(max: number): Answer<Buffer>
  writeFile(data: Uint8Array, flush: boolean): Answer<void>
  read(options: ReadInput): Answer<NativeFileReader>
  write(options: WriteInput): Answer<NativeFileWriter>
}

export interface NativeFileReader {
  pull(): Answer<Buffer | null>
  close(): void
}

export interface NativeFileWriter {
  push(data: Uint8Array): Answer<void>
  /** Resolves when the file is open; bytes may be pushed before. */
  opened(): Answer<void>
  finish(): Answer<number>
  abort(): void
}

export interface NativeDirectory {
  /** The next entries; `null` at the end. */
  next(): Answer<NativeEntry[] | null>
  close(): void
}

export interface NativeArchiveWriter {
  push(data: Uint8Array): Answer<void>
  finish(): Answer<void>
  abort(): Answer<void>
}

export interface NativeWatcher {
  next(): Answer<{ renamed: boolean; name: NativePath }[] | null>
  close(): void
}

export interface NativeCopy {
  run(): Answer<void>
  progress(): { entries: number; bytes: number; skipped: number }
  abort(): void
}
