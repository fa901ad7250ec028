// Pulling an image in a process that does nothing else: how long it takes, how much of the processor, and the most memory that
// the process has. Called by the figures of large and of real images.
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { capture } from '../scripts/command.mjs'
import { root } from '../scripts/paths.mjs'

/** @typedef {{ ms: number, cpuMs: number, bytes: number }} Pulled milliseconds of time and of processor, peak of memory */

/** Pulls an image into a home, its two arguments, and prints what it took. */
const CHILD = `
  import { readFileSync } from 'node:fs'
  const { Runtime } = await import(process.env.BENCH_FACE)
  const [, , image, home] = process.argv
  const runtime = await Runtime.open({ home, registries: [{ host: image.split('/')[0], http: true }] })
  const before = process.cpuUsage()
  const start = performance.now()
  await runtime.images.pull(image)
  const ms = performance.now() - start
  const { user, system } = process.cpuUsage(before)
  // The kernel's maxRSS begins with what the parent had at the fork; this is the program's own.
  const kib = Number(/VmHWM:\\s+(\\d+)/.exec(readFileSync('/proc/self/status', 'utf8'))[1])
  console.log(JSON.stringify({ ms, cpuMs: (user + system) / 1000, bytes: kib * 1024 }))
  await runtime.close()
`

/** Pulls `image` into `home`. @param {string} image @param {string} home @returns {Promise<Pulled>} */
export async function pullInChild(image, home) {
  const env = { ...process.env, BENCH_FACE: String(pathToFileURL(join(root, 'index.mjs'))) }
  const result = await capture(process.execPath, ['--input-type=module', '-', image, home], { env, input: CHILD })
  if (result.status !== 0) throw new Error(result.output)
  return JSON.parse(result.stdout)
}
