// `Wakeup`: lets one task sleep until another says that something changed. Used by `output.ts` and `events.ts`.

export class Wakeup {
  #wake: (() => void) | undefined
  #sleep: Promise<void> | undefined

  /** Resolves at the next `notify`. */
  wait(): Promise<void> {
    this.#sleep ??= new Promise(resolve => {
      this.#wake = resolve
    })
    return this.#sleep
  }

  /** Wakes all that wait. */
  notify(): void {
    this.#wake?.()
    this.#wake = undefined
    this.#sleep = undefined
  }
}
