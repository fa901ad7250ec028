// Pseudo-random numbers: a failing test prints its seed, which repeats the failure.

/** An xorshift generator. */
export class Random {
  #state: number

  constructor(seed: number) {
    this.#state = (0x9e3779b9 * (seed + 1)) >>> 0 || 1
  }

  /** Returns a number from 0 to `bound` - 1. */
  below(bound: number): number {
    this.#state ^= this.#state << 13
    this.#state ^= this.#state >>> 17
    this.#state ^= this.#state << 5
    return (this.#state >>> 0) % bound
  }
}
