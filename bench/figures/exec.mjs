// The time of commands in a running box: the round trip of `true`, and of twenty at once.
import { median, timed } from '../clock.mjs'
import { withBox } from '../with-box.mjs'

/** @type {import('../bench.mjs').Figure} */
export const execRoundTrip = {
  name: 'execRoundTrip',
  unit: 'ms',
  measure: bench => withBox(bench, box => median(100, () => timed(() => box.exec('true')))),
}

/** @type {import('../bench.mjs').Figure} */
export const twentyAtOnce = {
  name: 'twentyAtOnce',
  unit: 'ms',
  measure: bench =>
    withBox(bench, box =>
      median(15, () => timed(() => Promise.all(Array.from({ length: 20 }, () => box.exec('true'))))),
    ),
}
