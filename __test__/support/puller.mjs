// A program of its own that pulls an image: `node puller.mjs HOME IMAGE`. Says `pulling`, then `pulled DIGEST`. Started, several
// at once and to be killed, by e2e/pull-processes.test.ts.
import { Runtime } from '../../index.mjs'

const [home = '', image = ''] = process.argv.slice(2)
const runtime = await Runtime.open({ home, registries: [{ host: image.split('/')[0] ?? '', http: true }] })
process.stdout.write('pulling\n')
const { digest } = await runtime.images.pull(image)
process.stdout.write(`pulled ${digest}\n`)
await runtime.close()
