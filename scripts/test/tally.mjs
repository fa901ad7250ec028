// Counts of tests that passed, failed and were skipped. The result of every runner is one; their sum is the last line of `npm test`.

/**
 * @typedef {{ passed: number, failed: number, skipped: number, excused?: number }} Tally `excused` is how many of the skipped ones may
 * be skipped
 */

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
