// How many tests passed, failed and were skipped. Every runner's outcome becomes one, and they add up to the last line.

/** @typedef {{ passed: number, failed: number, skipped: number, excused?: number }} Tally of the skipped ones, how many may be */

/** @type {Tally} */
export const none = { passed: 0, failed: 0, skipped: 0 }
/** @type {Tally} */
export const onePassed = { ...none, passed: 1 }
/** @type {Tally} */
export const oneFailed = { ...none, failed: 1 }

/** @param {...Tally} tallies @returns {Tally} */
export const add = (...tallies) =>
  tallies.reduce(
    (a, b) => ({
      passed: a.passed + b.passed,
      failed: a.failed + b.failed,
      skipped: a.skipped + b.skipped,
      excused: (a.excused ?? 0) + (b.excused ?? 0),
    }),
    none,
  )

/** @param {Tally} tally */
export const format = ({ passed, failed, skipped }) => `${passed} passed, ${failed} failed, ${skipped} skipped`
