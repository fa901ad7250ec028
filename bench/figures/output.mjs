// The rate of a command's output, from a box into a Node stream.
import { median, timed } from '../clock.mjs'
import { withBox } from '../with-box.mjs'

const MEGABYTES = 32

/** @type {import('../bench.mjs').Figure} */
export const output = {
  name: 'output',
  unit: 'MB/s',
  measure: bench =>
    withBox(bench, box =>
      median(3, async () => {
        let bytes = 0
        const took = await timed(async () => {
          const child = box.spawn('dd', ['if=/dev/zero', 'bs=64k', `count=${MEGABYTES * 16}`])
          for await (const chunk of child.stdout) bytes += chunk.length
          await child.wait()
        })
        if (bytes !== MEGABYTES << 20) throw new Error(`${bytes} bytes came out instead of ${MEGABYTES} MiB`)
        return bytes / 1000 / took
      }),
    ),
}
