// The start of a box, which a signal cancels. Called by `box.ts` and `commands.ts`.
import { type NativeBox, settled } from './binding.js'
import { aborted } from './errors.js'

/** Starts the box if it does not run. `signal` ends this call, and the start too unless other calls wait for it. */
export async function started(
  native: NativeBox,
  operation: string,
  { startTimeoutMs, signal }: { startTimeoutMs?: number | undefined; signal?: AbortSignal | undefined } = {},
): Promise<void> {
  if (signal?.aborted) throw aborted(operation, signal)
  const start = native.start(startTimeoutMs)
  const cancel = () => start.cancel()
  signal?.addEventListener('abort', cancel, { once: true })
  try {
    await settled(start.wait())
  } catch (error) {
    throw signal?.aborted ? aborted(operation, signal) : error
  } finally {
    signal?.removeEventListener('abort', cancel)
  }
}
