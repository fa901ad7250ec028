// Measures other programs that fetch and unpack an image: `skopeo copy` into a layout and `umoci unpack` into a folder. Called by the
// figures of the Debian image.
import { join } from 'node:path'
import { capture } from '../scripts/command.mjs'
import { timed } from './clock.mjs'

/**
 * Fetches and unpacks `image` in the empty `folder`; returns milliseconds of time and of processor time.
 * @param {string} image @param {string} folder @returns {Promise<{ ms: number, cpuMs: number }>}
 */
export async function skopeoAndUmoci(image, folder) {
  const layout = `${join(folder, 'oci')}:latest`
  const rootless = process.getuid?.() === 0 ? [] : ['--rootless']
  let cpuMs = 0
  const ms = await timed(async () => {
    const copy = ['copy', '--insecure-policy', '--src-tls-verify=false', `docker://${image}`, `oci:${layout}`]
    cpuMs += await processor('skopeo', copy)
    cpuMs += await processor('umoci', ['unpack', ...rootless, '--image', layout, join(folder, 'bundle')])
  })
  return { ms, cpuMs }
}

/** Runs a program under a shell that prints the processor time of its children. @param {string} program @param {string[]} args */
async function processor(program, args) {
  const result = await capture('sh', ['-c', '"$@" >&2 || exit; times', 'sh', program, ...args])
  if (result.status !== 0) throw new Error(`${program}: ${result.output}`)
  // POSIX, `times`: user and system time of the shell, and of its children in the second line.
  const [, children = ''] = result.stdout.trim().split('\n')
  const times = [...children.matchAll(/(\d+)m([\d.]+)s/g)]
  return times.reduce((sum, [, minutes, seconds]) => sum + Number(minutes) * 60_000 + Number(seconds) * 1000, 0)
}
