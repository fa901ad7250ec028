// Work that an AbortSignal ends at once, though the box has not answered. Called by whatever reads and writes files.
import { onAbort } from './abort.js'
import { aborted } from './errors.js'

/**
 * Does `work` until it is done or the signal aborts, which rejects with `ABORTED` at once. `work` says through its argument how
 * what it has begun is ended; where the signal has aborted meanwhile, that is done at once.
 */
export async function untilAborted<T>(
  operation: string,
  signal: AbortSignal | undefined,
  work: (ending: (end: () => void) => void) => Promise<T>,
): Promise<T> {
  if (signal === undefined) return work(() => {})
  if (signal.aborted) throw aborted(operation, signal)
  const over: (() => void)[] = []
  const ending = (end: () => void) => {
    if (signal.aborted) end()
    else over.push(onAbort(signal, end))
  }
  try {
    return await new Promise<T>((resolve, reject) => {
      over.push(onAbort(signal, () => reject(aborted(operation, signal))))
      work(ending).then(resolve, reject)
    })
  } finally {
    for (const forget of over) forget()
  }
}
