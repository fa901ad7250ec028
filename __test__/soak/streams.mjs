// One stream of any length, out of a box and into one: byte for byte, and in bounded memory. Called by soak.mjs.
import { createHash, randomBytes } from 'node:crypto'
import { Readable } from 'node:stream'

/** Most that this program's memory may grow by on the way, in MiB: what is under way, and what the collector has not taken yet. */
const GROWTH = 96
const MIB = 1 << 20

/** @typedef {{ most: number, look: () => void }} Watch */

/** @returns {Watch} */
function watchMemory() {
  const before = process.memoryUsage.rss()
  const watch = {
    most: 0,
    look() {
      watch.most = Math.max(watch.most, (process.memoryUsage.rss() - before) / MIB)
    },
  }
  return watch
}

/**
 * @param {import('../../index.mjs').Box} box @param {number} megabytes @param {(line: string) => void} say
 * @returns {Promise<string[]>} what went wrong
 */
export async function streams(box, megabytes, say) {
  const faults = []
  for (const [name, flow] of /** @type {const} */ ([
    ['out of the box', out],
    ['into the box', into],
  ])) {
    const [began, watch] = [performance.now(), watchMemory()]
    const same = await flow(box, megabytes, watch)
    const seconds = (performance.now() - began) / 1000
    const speed = (megabytes / seconds).toFixed(0)
    say(
      `${megabytes} MiB ${name}: ${seconds.toFixed(0)} s, ${speed} MiB/s, ${watch.most.toFixed(0)} MiB more in memory at most`,
    )
    if (!same) faults.push(`${name}: not byte for byte`)
    if (watch.most > GROWTH) faults.push(`${name}: ${watch.most} MiB more in memory`)
  }
  return faults
}

/** @param {import('../../index.mjs').Box} box @param {number} megabytes @param {Watch} watch */
async function out(box, megabytes, watch) {
  const block = randomBytes(MIB)
  await box.fs.writeFile('/tmp/block', block)
  const line = `i=0; while [ $i -lt ${megabytes} ]; do cat /tmp/block; i=$((i + 1)); done`
  const child = box.spawn('sh', ['-c', line])
  const [seen, wanted] = [createHash('sha256'), createHash('sha256')]
  let length = 0
  for await (const chunk of child.stdout) {
    seen.update(chunk)
    length += chunk.length
    watch.look()
  }
  for (let i = 0; i < megabytes; i++) wanted.update(block)
  const { exitCode } = await child.wait()
  return exitCode === 0 && length === megabytes * MIB && seen.digest('hex') === wanted.digest('hex')
}

/** @param {import('../../index.mjs').Box} box @param {number} megabytes @param {Watch} watch */
async function into(box, megabytes, watch) {
  const wanted = createHash('sha256')
  const block = Buffer.alloc(MIB, 'abcdefghijklmno')
  const parts = function* () {
    for (let i = 0; i < megabytes; i++) {
      // So that no part is like another.
      block.writeUInt32LE(i)
      wanted.update(block)
      watch.look()
      yield Buffer.from(block)
    }
  }
  const { stdout } = await box.exec('sha256sum', [], { stdin: Readable.from(parts()), check: true })
  return stdout.slice(0, 64) === wanted.digest('hex')
}
