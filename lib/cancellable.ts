// Work of the addon that an AbortSignal cancels: starts, waits, copies. Called by `box.ts`, `commands.ts` and `copy.ts`.
import { onAbort } from './abort.js'
import { type Answer, settled } from './binding.js'
import { aborted } from './errors.js'

/**
 * Begins work and waits for it. When `signal` aborts, the work is cancelled, and what it then fails with is an `ABORTED` here. Nothing
 * is begun where the signal has aborted before.
 */
export async function cancellable<T>(
  operation: string,
  signal: AbortSignal | undefined,
  begin: () => { wait(): Answer<T>; cancel(): void },
): Promise<T> {
  if (signal?.aborted) throw aborted(operation, signal)
  const work = begin()
  const over = onAbort(signal, () => work.cancel())
  try {
    return await settled(work.wait())
  } catch (error) {
    throw signal?.aborted ? aborted(operation, signal) : error
  } finally {
    over()
  }
}
