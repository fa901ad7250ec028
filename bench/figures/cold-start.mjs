// The time from `create` to the end of the first command, with the image in the cache.
import { median, timed } from '../clock.mjs'

/** @type {import('../bench.mjs').Figure} */
export const coldStart = {
  name: 'coldStart',
  unit: 'ms',
  measure: ({ runtime, image }) =>
    median(5, async () => {
      /** @type {import('../../index.js').Box | undefined} */
      let box
      const took = await timed(async () => {
        box = await runtime.create({ image })
        await box.exec('true', [], { check: true })
      })
      await box?.remove({ force: true })
      return took
    }),
}
