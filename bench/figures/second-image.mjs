// What is downloaded of the second of two images with a common base, as the registry counts it: only its own layers and its
// configuration, no byte of the base.
import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { writeLayout } from '../../scripts/image/layout.mjs'
import { serveLayout } from '../../scripts/image/registry.mjs'

const MIB = 1024 * 1024

/**
 * @typedef {{ own: number, served: number, base: number }} Downloads bytes of its own blobs, of all served blobs, and of the served
 * blobs of the base
 */
/** @type {Promise<Downloads> | undefined} */
let pending

/** @param {import('../bench.mjs').Bench} bench @returns {Promise<Downloads>} */
async function downloads({ Runtime, folder }) {
  const layout = folder()
  const base = [{ path: 'base', content: randomBytes(16 * MIB) }]
  const own = () => [{ path: 'own', content: randomBytes(MIB) }]
  const [first, second] = [own(), own()].map(layer => writeLayout(layout, [{ layers: [base, layer] }]).digest)
  const registry = await serveLayout(layout)
  const runtime = await Runtime.open({ home: folder(), registries: [{ host: registry.host, http: true }] })
  try {
    await runtime.images.pull(`${registry.host}/app@${first}`)
    const before = registry.served.length
    await runtime.images.pull(`${registry.host}/app@${second}`)
    const served = registry.served.slice(before)
    const { config, layers } = JSON.parse(readFileSync(join(layout, 'blobs', String(second).replace(':', '/')), 'utf8'))
    const sum = (/** @type {number} */ total, /** @type {{ bytes: number }} */ { bytes }) => total + bytes
    return {
      own: config.size + layers[1].size,
      served: served.reduce(sum, 0),
      base: served.filter(({ digest }) => digest === layers[0].digest).reduce(sum, 0),
    }
  } finally {
    await runtime.close()
    await registry.stop()
  }
}

/** @param {import('../bench.mjs').Bench} bench */
function measured(bench) {
  pending ??= downloads(bench)
  return pending
}

/** @type {import('../bench.mjs').Figure[]} */
export const secondImage = [
  {
    name: 'secondImageDownload',
    unit: 'of its own layers',
    measure: async bench => {
      const { own, served } = await measured(bench)
      return served / own
    },
  },
  { name: 'secondImageBase', unit: 'bytes of the base', measure: async bench => (await measured(bench)).base },
]
