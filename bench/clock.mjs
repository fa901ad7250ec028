// Taking times: once, or several times with the median kept, since one disturbance must not decide a figure.

/** Milliseconds that `work` takes. @param {() => Promise<unknown>} work */
export async function timed(work) {
  const start = performance.now()
  await work()
  return performance.now() - start
}

/** The median of `times` measurements. @param {number} times @param {() => Promise<number>} measure */
export async function median(times, measure) {
  const values = []
  for (let i = 0; i < times; i++) values.push(await measure())
  return middle(values)
}

/** The median of `values`. @param {number[]} values */
export function middle(values) {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[sorted.length >> 1] ?? Number.NaN
}
