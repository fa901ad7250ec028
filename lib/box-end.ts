// `box.wait()`: how a box ended. Called by `box.ts`.
import type { NativeBox } from './binding.js'
import { cancellable } from './cancellable.js'

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
  const end = await cancellable('box.wait', signal, () => native.end())
  const { exitCode = null, signal: name = null, failure = null } = end
  return { state: end.state as BoxEnd['state'], exitCode, signal: name, oom: end.oom, failure }
}
