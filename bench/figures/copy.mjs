// How fast files are copied into and out of a box: one large file, and many small ones.
import { randomFillSync } from 'node:crypto'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { timed } from '../clock.mjs'
import { withBox } from '../with-box.mjs'

const MEGABYTES = 64
const FILES = 2000

/** @param {string} folder */
function large(folder) {
  const path = join(folder, 'large')
  writeFileSync(path, randomFillSync(Buffer.allocUnsafe(MEGABYTES << 20)))
  return path
}

/** @param {string} folder */
function small(folder) {
  const path = join(folder, 'small')
  mkdirSync(path)
  for (let i = 0; i < FILES; i++) writeFileSync(join(path, `file-${i}`), `${i}\n`.repeat(200))
  return path
}

/**
 * @param {string} name @param {string} unit @param {(folder: string) => string} make creates what is copied
 * @param {'in' | 'out'} direction @param {(ms: number) => number} figure
 * @returns {import('../bench.mjs').Figure}
 */
const copying = (name, unit, make, direction, figure) => ({
  name,
  unit,
  measure: bench =>
    withBox(bench, async box => {
      const folder = mkdtempSync(join(tmpdir(), 'boxlite-copy-'))
      try {
        const source = make(folder)
        if (direction === 'in') return figure(await timed(() => box.copyIn(source, '/opt/copy')))
        await box.copyIn(source, '/opt/copy')
        return figure(await timed(() => box.copyOut('/opt/copy', join(folder, 'out'))))
      } finally {
        rmSync(folder, { recursive: true })
      }
    }),
})

/** @param {number} ms */
const megabytesPerSecond = ms => (MEGABYTES << 20) / 1000 / ms
/** @param {number} ms */
const milliseconds = ms => ms

export const copies = [
  copying('copyIn', 'MB/s', large, 'in', megabytesPerSecond),
  copying('copyOut', 'MB/s', large, 'out', megabytesPerSecond),
  copying('copyInSmall', 'ms', small, 'in', milliseconds),
  copying('copyOutSmall', 'ms', small, 'out', milliseconds),
]
