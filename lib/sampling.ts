// Samples at an interval, as an async iterator that leaves no timer behind. Used for `watchMetrics`.
import { setTimeout as sleep } from 'node:timers/promises'
import { onAbort } from './abort.js'
import { checkOptions, integer } from './check.js'
import { aborted } from './errors.js'
import { abortSignal } from './options/values.js'

/** How to watch figures. */
export interface WatchMetricsOptions {
  /** Milliseconds from one sample to the next, 10 or more. Default: 1000. */
  intervalMs?: number
  /** Ends the watch; the iterator then rejects with `ABORTED`. Default: none. */
  signal?: AbortSignal
}

/**
 * A sample at once and then at each interval. A reader that is slow gets fewer, never stale ones; a sample that fails ends
 * the iteration with its error.
 */
export function samples<T>(
  operation: string,
  options: WatchMetricsOptions | undefined,
  sample: () => Promise<T>,
): AsyncIterableIterator<T> {
  const { intervalMs = 1000, signal } = checkOptions<WatchMetricsOptions>(operation, options, {
    intervalMs: integer(10, 2 ** 31 - 1, 'milliseconds'),
    signal: abortSignal,
  })
  const over = new AbortController()
  let due = 0
  const iterator: AsyncIterableIterator<T> = {
    [Symbol.asyncIterator]: () => iterator,
    async next() {
      const wait = due - performance.now()
      if (wait > 0) await pause(wait, [over.signal, signal])
      if (signal?.aborted && !over.signal.aborted) {
        over.abort()
        throw aborted(operation, signal)
      }
      if (over.signal.aborted) return { done: true, value: undefined }
      due = performance.now() + intervalMs
      try {
        return { done: false, value: await sample() }
      } catch (error) {
        over.abort()
        throw error
      }
    },
    async return() {
      over.abort()
      return { done: true, value: undefined }
    },
  }
  return iterator
}

/** Sleeps, at most until one of the signals aborts. */
async function pause(ms: number, signals: (AbortSignal | undefined)[]): Promise<void> {
  const timer = new AbortController()
  const heard = signals.map(signal => onAbort(signal, () => timer.abort()))
  if (signals.some(signal => signal?.aborted)) timer.abort()
  await sleep(ms, undefined, { signal: timer.signal }).catch(() => {})
  for (const end of heard) end()
}
