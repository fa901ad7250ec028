// `box.fs.watch`: what changes in a box, as an async iterator. Called by `fs.ts`.
import { type NativeFiles, type NativeWatcher, settled } from './binding.js'
import { aborted } from './errors.js'

/** How to watch. */
export interface WatchOptions {
  /** Everything below too, also directories that appear later. Default: `false`. */
  recursive?: boolean
  /** Ends the watch; the iterator then rejects with an `AbortError`. */
  signal?: AbortSignal
}

/** Something changed. */
export interface FileChangeEvent {
  /** `'rename'`: a name came or went. `'change'`: contents or attributes did. */
  eventType: 'rename' | 'change'
  /** Below the watched directory; of a watched file its own name. */
  filename: string
}

/** Asks at once and not with the first `next()`: what is asked of the box from here on comes after it. */
export function watch(
  native: NativeFiles,
  path: string,
  { recursive = false, signal }: WatchOptions,
): AsyncIterableIterator<FileChangeEvent> {
  const starting = signal?.aborted ? Promise.reject(aborted('watch', signal)) : settled(native.watch(path, recursive))
  // Told by the iterator, when it is asked.
  starting.catch(() => {})
  return changes(starting, signal)
}

async function* changes(
  starting: Promise<NativeWatcher>,
  signal: AbortSignal | undefined,
): AsyncGenerator<FileChangeEvent> {
  const watcher = await starting
  const close = () => watcher.close()
  signal?.addEventListener('abort', close, { once: true })
  try {
    for (;;) {
      const batch = signal?.aborted ? null : await settled(watcher.next())
      if (signal?.aborted) throw aborted('watch', signal)
      if (batch === null) return
      for (const { renamed, name } of batch) yield { eventType: renamed ? 'rename' : 'change', filename: name }
    }
  } finally {
    signal?.removeEventListener('abort', close)
    close()
  }
}
