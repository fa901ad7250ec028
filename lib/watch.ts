// `box.fs.watch`: what changes in a box, as an async iterator. Called by `fs.ts`.
import { iterate } from './batches.js'
import type { NativeFiles, NativePath } from './binding.js'
import { boolean, type Shape } from './check.js'
import { checkEncoded, encodingOrBuffer, inEncoding, isRaw, type NameEncoding } from './file-path.js'
import { abortSignal } from './options/values.js'

/** How to watch. */
export interface WatchOptions {
  /** Everything below too, also directories that appear later. Default: `false`. */
  recursive?: boolean | undefined
  /** The encoding of names; `'buffer'` gives bytes. Default: `'utf8'`. */
  encoding?: NameEncoding | null | undefined
  /** Ends the watch; the iterator then rejects with an `AbortError`. */
  signal?: AbortSignal | undefined
}

const OPTIONS: Shape<WatchOptions> = { recursive: boolean, encoding: encodingOrBuffer, signal: abortSignal }

/** A change that a watch reports. */
export interface FileChangeEvent<T extends string | Buffer = string> {
  /** `'rename'`: a name came or went. `'change'`: contents or attributes did. */
  eventType: 'rename' | 'change'
  /** The path below the watched directory, or the name of the watched file. */
  filename: T
}

/** Checked options of `fs.watch`. */
export function checkWatch(options: unknown): WatchOptions {
  return checkEncoded('fs.watch', options, OPTIONS)
}

/** Begins the watch at once and not with the first `next()`, so that it comes before every later call. */
export function watch(
  native: NativeFiles,
  path: NativePath,
  { recursive = false, encoding, signal }: WatchOptions,
): AsyncIterableIterator<FileChangeEvent> {
  const begin = () => native.watch(path, recursive, isRaw(encoding))
  return iterate('watch', signal, begin, ({ renamed, name }) => ({
    eventType: renamed ? 'rename' : 'change',
    filename: inEncoding(name, encoding) as string,
  }))
}
