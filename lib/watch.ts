// `box.fs.watch`: what changes in a box, as an async iterator. Called by `fs.ts`.
import { onAbort } from './abort.js'
import { type NativeFiles, type NativePath, type NativeWatcher, settled } from './binding.js'
import { boolean, checkOptions, type Shape } from './check.js'
import { aborted } from './errors.js'
import { encodingOrBuffer, inEncoding, isRaw, type NameEncoding, withEncoding } from './file-path.js'
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

/** Throws unless the options of `fs.watch` are right. */
export function checkWatch(options: unknown): WatchOptions {
  const given = withEncoding<WatchOptions>('fs.watch', options, encodingOrBuffer)
  checkOptions('fs.watch', given, OPTIONS)
  return given
}

/** Begins the watch at once and not with the first `next()`, so that it comes before every later call. */
export function watch(
  native: NativeFiles,
  path: NativePath,
  { recursive = false, encoding, signal }: WatchOptions,
): AsyncIterableIterator<FileChangeEvent> {
  const starting = signal?.aborted
    ? Promise.reject(aborted('watch', signal))
    : settled(native.watch(path, recursive, isRaw(encoding)))
  // The iterator rejects with this error when its consumer calls `next()`.
  starting.catch(() => {})
  const close = () => void starting.then(watcher => watcher.close()).catch(() => {})
  const forget = onAbort(signal, close)
  const over = () => {
    forget()
    close()
  }
  const iterator = changes(starting, encoding, signal, over)
  // A generator whose `next()` was never called does not run its `finally` when it is ended.
  const leave = iterator.return.bind(iterator)
  iterator.return = value => {
    over()
    return leave(value)
  }
  return iterator
}

async function* changes(
  starting: Promise<NativeWatcher>,
  encoding: NameEncoding | null | undefined,
  signal: AbortSignal | undefined,
  over: () => void,
): AsyncGenerator<FileChangeEvent> {
  try {
    const watcher = await starting
    for (;;) {
      const batch = signal?.aborted ? null : await settled(watcher.next())
      if (signal?.aborted) throw aborted('watch', signal)
      if (batch === null) return
      for (const { renamed, name } of batch) {
        yield { eventType: renamed ? 'rename' : 'change', filename: inEncoding(name, encoding) as string }
      }
    }
  } finally {
    over()
  }
}
