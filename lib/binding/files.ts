// The addon's files of a box, as `src/addon/files.rs` and `file_stream.rs` make them.
import type { Answer } from './outcome.js'

/** One operation on files; `files.proto` says which fields each reads. */
export interface FileInput {
  operation: string
  path?: string | Buffer | undefined
  to?: string | Buffer | undefined
  handle?: number | undefined
  mode?: number | undefined
  flags?: number | undefined
  uid?: number | undefined
  gid?: number | undefined
  atimeMs?: number | undefined
  mtimeMs?: number | undefined
  offset?: number | undefined
  length?: number | undefined
  data?: Buffer | undefined
  recursive?: boolean | undefined
  force?: boolean | undefined
  follow?: boolean | undefined
  exclusive?: boolean | undefined
  preserve?: boolean | undefined
  dataOnly?: boolean | undefined
  /** The name of an extended attribute. */
  name?: string | undefined
  /** Bring what was written to the disk. */
  flush?: boolean | undefined
  /** Of a file that is read: resolve when it is open. */
  opened?: boolean | undefined
  /** Answer a path as its bytes. */
  raw?: boolean | undefined
  /** Answer `stat.exact` too. */
  exact?: boolean | undefined
  verbatim?: boolean | undefined
  shallow?: boolean | undefined
  names?: string[] | undefined
}

/** How to copy between host and box. */
export interface CopyInput {
  owner?: string | undefined
  replace?: boolean | undefined
  xattrs?: boolean | undefined
  maxBytes?: number | undefined
  maxEntries?: number | undefined
}

export interface FileOutput {
  stat?: NativeStat
  statFs?: NativeStatFs
  path?: string | Buffer
  handle: number
  data: Buffer
  count: number
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
  /** Its bytes, where they were asked for. */
  name: string | Buffer
  kind: number
}

export interface NativeFiles {
  call(input: FileInput): Answer<FileOutput>
  /** The same files for another user of the box. */
  as(user: string): NativeFiles
  readDirectory(path: string | Buffer, recursive: boolean, raw: boolean): Answer<NativeEntry[]>
  openDirectory(path: string | Buffer, recursive: boolean, raw: boolean): Answer<NativeDirectory>
  read(input: FileInput): Answer<NativeFileReader>
  write(input: FileInput): Answer<NativeFileWriter>
  watch(path: string | Buffer, recursive: boolean, raw: boolean): Answer<NativeWatcher>
  copyIn(from: string, to: string, options: CopyInput): NativeCopy
  copyOut(from: string, to: string, options: CopyInput): NativeCopy
  packOut(from: string, options: CopyInput): Answer<NativeFileReader>
  unpackIn(to: string, options: CopyInput): Answer<NativeArchiveWriter>
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
  next(): Answer<{ renamed: boolean; name: string | Buffer }[] | null>
  close(): void
}

export interface NativeCopy {
  run(): Answer<void>
  progress(): { entries: number; bytes: number; skipped: number }
  abort(): void
}
