// A program of its own that holds a home: `node holder.mjs HOME ENGINE IMAGE`. Started and killed by e2e/home.test.ts.
import { Runtime } from '../../index.mjs'

const [home = '', engine, image = ''] = process.argv.slice(2)
const runtime = await Runtime.open({ home, engine: /** @type {'auto'} */ (engine) })
const box = await runtime.create({ image, name: 'held' })
await box.exec('sh', ['-c', 'echo synced > /root/note; sync'], { check: true })
process.stdout.write('running\n')
setInterval(() => {}, 60_000)
