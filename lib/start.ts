// The start of a box, which a signal gives up. Called by `box.ts` and `commands.ts`.
import { type NativeBox, settled } from './binding.js'
import { aborted } from './errors.js'

/** Starts the box if it does not run, unless `signal` says otherwise. A start that nobody else waits for ends with the signal. */
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
