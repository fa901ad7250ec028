// `npm run build`: brings every part of the library up to date, each from the cache when its inputs are known.
// Also called by start, test, package and bench. `npm run build -- addon shim` brings only the parts named.
import { addon, shim } from './build/crates.mjs'
import { bringFace, bringNodeModules } from './build/face.mjs'
import { initramfs, kernel } from './build/guest.mjs'
import { bring } from './build/part.mjs'
import { Failure, runScript } from './failure.mjs'
import { cacheFolder } from './paths.mjs'
import { elapsed, say } from './progress.mjs'

/** In the order they are built: what fails soonest first, the kernel last because its compiler runs longest. */
const native = [addon, shim, initramfs, kernel]

/** Builds `names`, or everything. @param {string[]} [names] */
export async function build(names = []) {
  const known = native.map(part => part.name)
  const unknown = names.find(name => name !== 'face' && !known.includes(name))
  if (unknown) throw new Failure(`no part is called ${unknown}`, `the parts are ${known.join(', ')} and face`)
  say(`building, cached in ${cacheFolder()}`)
  await bringNodeModules()
  if (names.length === 0 || names.includes('face')) await bringFace()
  for (const part of native) if (names.length === 0 || names.includes(part.name)) await bring(part)
  say(`built (${elapsed()})`)
}

runScript(import.meta, () => build(process.argv.slice(2)))
