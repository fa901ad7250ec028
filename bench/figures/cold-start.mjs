// The time from `create` to the end of the first command, with the image in the cache.
import { median, timed } from '../clock.mjs'

/** @type {import('../bench.mjs').Figure} */
export const coldStart = {
  name: 'coldStart',
  unit: 'ms',
  measure: bench => median(5, () => startOf(bench)),
}

/**
 * Returns the milliseconds of one start of a box with `options`.
 * @param {import('../bench.mjs').Bench} bench @param {Partial<import('../../index.js').BoxOptions>} [options]
 */
export async function startOf({ runtime, image }, options = {}) {
  /** @type {import('../../index.js').Box | undefined} */
  let box
  const took = await timed(async () => {
    box = await runtime.create({ image, network: 'none', ...options })
    await box.exec('true', [], { check: true })
  })
  await box?.remove({ force: true })
  return took
}
