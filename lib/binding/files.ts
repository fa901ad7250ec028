// The addon's files of a box, as `src/addon/files.rs` and `file_stream.rs` make them.
import type { Answer } from './outcome.js'

/** One operation on files; `files.proto` says which fields each reads. */
export interface FileInput {
  operation: string
  path?: string | undefined
  to?: string | undefined
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
}

export interface FileOutput {
  stat?: NativeStat
  path?: string
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
}

export interface NativeEntry {
  name: string
  kind: number
}

export interface NativeFiles {
  call(input: FileInput): Answer<FileOutput>
  readDirectory(path: string, recursive: boolean): Answer<NativeEntry[]>
  read(input: FileInput): Answer<NativeFileReader>
  write(input: FileInput): Answer<NativeFileWriter>
  watch(path: string, recursive: boolean): Answer<NativeWatcher>
  copyIn(from: string, to: string): NativeCopy
  copyOut(from: string, to: string, maxBytes?: number, maxEntries?: number): NativeCopy
  packOut(from: string): Answer<NativeFileReader>
  unpackIn(to: string): Answer<NativeArchiveWriter>
}

export interface NativeFileReader {
  pull(): Answer<Buffer | null>
  close(): Answer<void>
}

export interface NativeFileWriter {
  push(data: Uint8Array): Answer<void>
  finish(): Answer<number>
}

export interface NativeArchiveWriter {
  push(data: Uint8Array): Answer<void>
  finish(): Answer<void>
  abort(): Answer<void>
}

export interface NativeWatcher {
  next(): Answer<{ renamed: boolean; name: string }[] | null>
  close(): void
}

export interface NativeCopy {
  run(): Answer<void>
  progress(): { entries: number; bytes: number; skipped: number }
  abort(): void
}
