// `handleSignals`: closes a runtime when a signal is to end the program, and then lets the signal end it. Called by
// `runtime.ts`, only for runtimes with the option.
import { isMainThread } from 'node:worker_threads'
import { InvalidArgumentError } from './errors.js'

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const

/** Throws an `INVALID_ARGUMENT` where nothing can be listened for. */
export function checkSignals(): void {
  if (isMainThread) return
  throw new InvalidArgumentError('Runtime.open: option `handleSignals`: only the main thread gets signals', {
    hint: 'open the runtime with it in the main thread, or leave it out',
  })
}

/** Listens until the returned function is called. Listening keeps no program alive. */
export function closeOnSignal(close: () => Promise<void>): () => void {
  let closing = false
  const stop = () => {
    for (const signal of SIGNALS) process.removeListener(signal, listener)
  }
  const listener = (signal: NodeJS.Signals) => {
    const end = () => {
      stop()
      process.kill(process.pid, signal)
    }
    if (closing) return end()
    closing = true
    // What could not be closed ends with the process.
    close().then(end, end)
  }
  for (const signal of SIGNALS) process.on(signal, listener)
  return stop
}
