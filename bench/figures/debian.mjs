// A real Debian image with python3 (about 190 MB unpacked) from a registry on loopback to a disk that boots, beside
// `skopeo copy` and `umoci unpack` of the same image to a folder; and the most memory that a process which only pulls has.
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { capture } from '../../scripts/command.mjs'
import { debianLayout } from '../../scripts/image/debian.mjs'
import { serveLayout } from '../../scripts/image/registry.mjs'
import { root } from '../../scripts/paths.mjs'
import { median, timed } from '../clock.mjs'

/** Pulls an image into a home, its two arguments, and prints milliseconds and the peak of its memory in KiB. */
const CHILD = `
  import { readFileSync } from 'node:fs'
  const { Runtime } = await import(process.env.BENCH_FACE)
  const [, , image, home] = process.argv
  const runtime = await Runtime.open({ home, registries: [{ host: image.split('/')[0], http: true }] })
  const start = performance.now()
  await runtime.images.pull(image)
  const ms = performance.now() - start
  // The kernel's maxRSS begins with what the parent had at the fork; this is the program's own.
  const kib = Number(/VmHWM:\\s+(\\d+)/.exec(readFileSync('/proc/self/status', 'utf8'))[1])
  console.log(JSON.stringify({ ms, kib }))
  await runtime.close()
`

/** Pulls `image` into `home` in a process that does nothing else. @param {string} image @param {string} home @returns {Promise<{ ms: number, kib: number }>} */
export async function pullInChild(image, home) {
  const env = { ...process.env, BENCH_FACE: String(pathToFileURL(join(root, 'index.mjs'))) }
  const result = await capture(process.execPath, ['--input-type=module', '-', image, home], { env, input: CHILD })
  if (result.status !== 0) throw new Error(result.output)
  return JSON.parse(result.stdout)
}

/** @param {import('../bench.mjs').Bench} bench */
const ours = ({ folder }) => withImage(image => pullInChild(image, folder()))

/** @param {import('../bench.mjs').Bench} bench */
async function theirs({ folder }) {
  return withImage(image =>
    timed(async () => {
      const into = `${folder()}/oci:latest`
      const copy = ['copy', '--insecure-policy', '--src-tls-verify=false', `docker://${image}`, `oci:${into}`]
      const unpack = [
        'unpack',
        ...(process.getuid?.() === 0 ? [] : ['--rootless']),
        '--image',
        into,
        `${folder()}/bundle`,
      ]
      for (const [program, args] of /** @type {[string, string[]][]} */ ([
        ['skopeo', copy],
        ['umoci', unpack],
      ])) {
        const result = await capture(program, args)
        if (result.status !== 0) throw new Error(`${program}: ${result.output}`)
      }
    }),
  )
}

/** @template T @param {(image: string) => Promise<T>} use */
async function withImage(use) {
  const registry = await serveLayout(await debianLayout())
  try {
    return await use(`${registry.host}/debian:12`)
  } finally {
    await registry.stop()
  }
}

/** @type {import('../bench.mjs').Figure} */
export const pullDebian = {
  name: 'pullDebian',
  unit: 'ms',
  notInLab: true,
  measure: bench => median(3, async () => (await ours(bench)).ms),
}

/** @type {import('../bench.mjs').Figure} */
export const pullDebianRatio = {
  name: 'pullDebianToSkopeoUmoci',
  unit: 'of their time',
  notInLab: true,
  measure: bench => median(3, async () => (await ours(bench)).ms / (await theirs(bench))),
}

/** @type {import('../bench.mjs').Figure} */
export const pullMemory = {
  name: 'pullPeakMemory',
  unit: 'MB',
  notInLab: true,
  measure: async bench => ((await ours(bench)).kib * 1024) / 1e6,
}
