// The rate of a command's input, from a Node stream into a box.
import { once } from 'node:events'
import { median, timed } from '../clock.mjs'
import { withBox } from '../with-box.mjs'

const MEGABYTES = 32

/** @type {import('../bench.mjs').Figure} */
export const input = {
  name: 'input',
  unit: 'MB/s',
  measure: bench =>
    withBox(bench, box => {
      const data = Buffer.alloc(1 << 16, 'x')
      return median(3, async () => {
        let summary = ''
        const took = await timed(async () => {
          const child = box.spawn('sh', ['-c', 'dd of=/dev/null bs=64k iflag=fullblock 2>&1'])
          child.stdout.on('data', text => {
            summary += text
          })
          for (let sent = 0; sent < MEGABYTES << 20; sent += data.length) {
            if (!child.stdin.write(data)) await once(child.stdin, 'drain')
          }
          child.stdin.end()
          await child.wait()
        })
        // dd counts whole and partial blocks. If all are whole, nothing is missing.
        if (!summary.startsWith(`${MEGABYTES * 16}+0 records in`))
          throw new Error(`not all of the input arrived: ${summary}`)
        return (MEGABYTES << 20) / 1000 / took
      })
    }),
}
