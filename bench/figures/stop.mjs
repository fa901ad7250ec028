// The time to stop a running box, and the time to start it again up to the end of its first command.
import { median, timed } from '../clock.mjs'
import { withBox } from '../with-box.mjs'

/** @type {import('../bench.mjs').Figure} */
export const stop = {
  name: 'stop',
  unit: 'ms',
  measure: bench =>
    withBox(bench, box =>
      median(5, async () => {
        await box.exec('true')
        return timed(() => box.stop())
      }),
    ),
}

/** @type {import('../bench.mjs').Figure} */
export const restart = {
  name: 'restart',
  unit: 'ms',
  measure: bench =>
    withBox(bench, box =>
      median(5, async () => {
        await box.stop()
        return timed(() => box.exec('true'))
      }),
    ),
}
