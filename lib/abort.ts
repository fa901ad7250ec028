// Callbacks of an AbortSignal behind one listener for each signal: Node warns of a leak at the eleventh listener, and one signal
// may end a hundred commands. Called by everything that takes a `signal`.

/** The callbacks of each signal in use. */
const WAITING = new WeakMap<AbortSignal, Reactions>()

/** Calls `react` when `signal` aborts, once. Returns a function that removes the callback: call it when the operation is over. */
export function onAbort(signal: AbortSignal | undefined, react: () => void): () => void {
  if (signal === undefined) return () => {}
  return (WAITING.get(signal) ?? new Reactions(signal)).add(react)
}

class Reactions {
  #signal: AbortSignal
  #waiting = new Set<{ react: () => void }>()

  constructor(signal: AbortSignal) {
    this.#signal = signal
    WAITING.set(signal, this)
    signal.addEventListener('abort', this.#abort, { once: true })
  }

  add(react: () => void): () => void {
    const one = { react }
    this.#waiting.add(one)
    return () => {
      if (this.#waiting.delete(one) && this.#waiting.size === 0) this.#end()
    }
  }

  #abort = (): void => {
    const waiting = [...this.#waiting]
    this.#waiting.clear()
    this.#end()
    for (const { react } of waiting) react()
  }

  #end(): void {
    this.#signal.removeEventListener('abort', this.#abort)
    if (WAITING.get(this.#signal) === this) WAITING.delete(this.#signal)
  }
}
