// Pseudo-random numbers that a seed repeats: mulberry32, with 32 bits of state.
// Called by plan.mjs and chaos.mjs.

/** @typedef {ReturnType<typeof randomOf>} Random */

/** @param {number} seed */
export function randomOf(seed) {
  let state = seed >>> 0
  const next = () => {
    state = (state + 0x6d2b79f5) >>> 0
    let x = Math.imul(state ^ (state >>> 15), state | 1)
    x ^= x + Math.imul(x ^ (x >>> 7), x | 61)
    return ((x ^ (x >>> 14)) >>> 0) / 2 ** 32
  }
  /** Returns an integer from `low` to `high`, both included. @param {number} low @param {number} high */
  const between = (low, high) => low + Math.floor(next() * (high - low + 1))
  /** @template T @param {readonly [T, ...T[]]} list @returns {T} */
  const pick = list => list[between(0, list.length - 1)] ?? list[0]
  return { between, pick }
}
