// A program that pulls an image: `node puller.mjs HOME IMAGE`. Prints `pulling`, then `pulled DIGEST`. Started by
// e2e/pull-processes.test.ts, which runs several at once and kills some.
import { Runtime } from '../../index.mjs'

const [home = '', image = ''] = process.argv.slice(2)
const runtime = await Runtime.open({ home, registries: [{ host: image.split('/')[0] ?? '', http: true }] })
process.stdout.write('pulling\n')
const { digest } = await runtime.images.pull(image)
process.stdout.write(`pulled ${digest}\n`)
await runtime.close()
