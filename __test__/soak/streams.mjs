// One long stream out of a box and one into it, byte for byte and in bounded memory. Called by soak.mjs.
import { createHash, randomBytes } from 'node:crypto'
import { Readable } from 'node:stream'

/** How much this program's memory may grow meanwhile, in MiB: by data in transit and by garbage that is not yet collected. */
const GROWTH = 96
const MIB = 1 << 20

/** @typedef {{ most: number, sample: () => void }} Watch */

/** @returns {Watch} */
function watchMemory() {
  const before = process.memoryUsage.rss()
  const watch = {
    most: 0,
    sample() {
      watch.most = Math.max(watch.most, (process.memoryUsage.rss() - before) / MIB)
    },
  }
  return watch
}

/**
 * @param {import('../../index.mjs').Box} box @param {number} megabytes @param {(line: string) => void} say
 * @returns {Promise<string[]>} the faults
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
    watch.sample()
  }
  for (let i = 0; i < megabytes; i++) wanted.update(block)
  const { exitCode } = await child.wait()
  return exitCode === 0 && length === megabytes * MIB && seen.digest('hex') === wanted.digest('hex')
}

/** @param {import('../../index.mjs').Box} box @param {number} megabytes @param {Watch} watch */
async function into(box, megabytes, watch) {
  const wanted = createHash('sha256')
  const block = Buffer.alloc(MIB, 'abcdefghijklmno')
  const chunks = function* () {
    for (let i = 0; i < megabytes; i++) {
      // Makes each chunk different.
      block.writeUInt32LE(i)
      wanted.update(block)
      watch.sample()
      yield Buffer.from(block)
    }
  }
  const { stdout } = await box.exec('sha256sum', [], { stdin: Readable.from(chunks()), check: true })
  return stdout.slice(0, 64) === wanted.digest('hex')
}
