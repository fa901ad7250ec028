// The peak memory of a process that only pulls a large image: 100 000 files and more than a gigabyte unpacked, a quarter of which does
// not compress. Memory does not depend on the number of bytes; each file takes about 140 bytes while the disk is laid out.
import { randomBytes } from 'node:crypto'
import { writeLayout } from '../../scripts/image/layout.mjs'
import { serveLayout } from '../../scripts/image/registry.mjs'
import { pullInChild } from '../pull-child.mjs'

const MIB = 1024 * 1024

/** Generates the layers one at a time, since together they would need too much memory. */
function* layers() {
  yield [{ path: 'noise', content: randomBytes(256 * MIB) }]
  const content = randomBytes(8192)
  for (let layer = 0; layer < 4; layer++) {
    yield Array.from({ length: 25_000 }, (_, n) => ({ path: `d${layer}/${n % 500}/file-${n}`, content }))
  }
}

/** @type {import('../bench.mjs').Figure} */
export const pullLargeMemory = {
  name: 'pullLargePeakMemory',
  unit: 'MB',
  notInLab: true,
  async measure({ folder }) {
    const layout = folder()
    writeLayout(layout, [{ layers: layers() }])
    const registry = await serveLayout(layout)
    try {
      return (await pullInChild(`${registry.host}/large:1`, folder())).bytes / 1e6
    } finally {
      await registry.stop()
    }
  },
}
