// `box.wait()`: how a box ended. Called by `box.ts`.
import { onAbort } from './abort.js'
import { type NativeBox, settled } from './binding.js'
import { aborted } from './errors.js'

/** How a box ended. */
export interface BoxEnd {
  /** `'stopped'` or `'failed'`; `'created'` of a box that never ran. */
  state: 'created' | 'stopped' | 'failed'
  /** Exit code of the box's main process; `null` if it had none, or if that was ended by a signal. */
  exitCode: number | null
  /** Name of the signal that ended the main process, else `null`. */
  signal: string | null
  /** Whether the main process ended for want of memory. */
  oom: boolean
  /** Why the box failed, else `null`. */
  failure: string | null
}

/** Waits until the box does not run, or until `signal` says otherwise. */
export async function boxEnd(native: NativeBox, signal: AbortSignal | undefined): Promise<BoxEnd> {
  if (signal?.aborted) throw aborted('box.wait', signal)
  const end = native.end()
  const cancel = () => end.cancel()
  const over = onAbort(signal, cancel)
  try {
    const { state, exitCode, signal: name, oom, failure } = await settled(end.wait())
    return {
      state: state as BoxEnd['state'],
      exitCode: exitCode ?? null,
      signal: name ?? null,
      oom,
      failure: failure ?? null,
    }
  } catch (error) {
    throw signal?.aborted ? aborted('box.wait', signal) : error
  } finally {
    over()
  }
}
