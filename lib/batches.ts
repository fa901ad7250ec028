// `iterate`: what the addon gives in batches, as an async iterator that an AbortSignal ends. Called by `logs.ts` and `watch.ts`.
import { onAbort } from './abort.js'
import { type Answer, settled } from './binding.js'
import { aborted } from './errors.js'

/** What gives batches; `null` is its end. */
interface Batches<T> {
  next(): Answer<T[] | null>
  close(): void
}

/** Begins at once and not with the first `next()`. The iterator gives each item in its public form, and closes what was begun. */
export function iterate<Native, T>(
  operation: string,
  signal: AbortSignal | undefined,
  begin: () => Answer<Batches<Native>>,
  form: (item: Native) => T,
): AsyncGenerator<T, void, undefined> {
  const starting = signal?.aborted ? Promise.reject(aborted(operation, signal)) : settled(begin())
  // The iterator rejects with this error when its consumer calls `next()`.
  starting.catch(() => {})
  const close = () => void starting.then(batches => batches.close()).catch(() => {})
  const forget = onAbort(signal, close)
  const over = () => {
    forget()
    close()
  }
  const iterator = items()
  // A generator whose `next()` was never called does not run its `finally` when it is ended.
  const leave = iterator.return.bind(iterator)
  iterator.return = value => {
    over()
    return leave(value)
  }
  return iterator

  async function* items() {
    try {
      const batches = await starting
      for (;;) {
        const batch = signal?.aborted ? null : await settled(batches.next())
        if (signal?.aborted) throw aborted(operation, signal)
        if (batch === null) return
        for (const item of batch) yield form(item)
      }
    } finally {
      over()
    }
  }
}
