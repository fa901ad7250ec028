// Measures times: once, or several times of which the median counts, so that a single disturbance does not change a figure.

/** Returns the milliseconds that `work` takes. @param {() => Promise<unknown>} work */
export async function timed(work) {
  const start = performance.now()
  await work()
  return performance.now() - start
}

/** Returns the median of `times` measurements. @param {number} times @param {() => Promise<number>} measure */
export async function median(times, measure) {
  const values = []
  for (let i = 0; i < times; i++) values.push(await measure())
  return middle(values)
}

/** Returns the median of `values`. @param {number[]} values */
export function middle(values) {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[sorted.length >> 1] ?? Number.NaN
}
