// Pulls an image in a process that does nothing else, and measures its time, its processor time and its peak memory. Called by the
// figures of large and of real images.
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { capture } from '../scripts/command.mjs'
import { root } from '../scripts/paths.mjs'

/** @typedef {{ ms: number, cpuMs: number, bytes: number }} Pulled milliseconds of time and of processor time, and peak memory */

/** A program that pulls an image into a home, which are its two arguments, and prints the measurements. */
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
  // maxRSS includes the parent's memory at the fork; VmHWM is the program's own peak.
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
