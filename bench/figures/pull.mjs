// The time to pull the busybox image (1 MB compressed) over HTTP from a registry on loopback into an empty home.
import { serveLayout } from '../../scripts/image/registry.mjs'
import { median, timed } from '../clock.mjs'

/** @type {import('../bench.mjs').Figure} */
export const pull = {
  name: 'pull',
  unit: 'ms',
  async measure({ Runtime, image, folder }) {
    const registry = await serveLayout(image)
    try {
      return await median(3, async () => {
        const runtime = await Runtime.open({ home: folder(), registries: [{ host: registry.host, http: true }] })
        const took = await timed(() => runtime.images.pull(`${registry.host}/busybox:1`))
        await runtime.close()
        return took
      })
    } finally {
      await registry.stop()
    }
  },
}
