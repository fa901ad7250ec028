// `npm run build`: builds every part of the library, or takes it from the cache if its inputs have not changed.
// Also called by start, test, package and bench. `npm run build -- addon shim` builds only the named parts.
import { addon, shim } from './build/crates.mjs'
import { buildFace, installNodeModules } from './build/face.mjs'
import { initramfs, kernel } from './build/guest.mjs'
import { buildPart } from './build/part.mjs'
import { Failure, runScript } from './failure.mjs'
import { cacheFolder } from './paths.mjs'
import { elapsed, say } from './progress.mjs'

/** In the order in which they are built. The kernel is last because it takes longest. */
const native = [addon, shim, initramfs, kernel]

/** Builds the parts `names`, or all of them. @param {string[]} [names] */
export async function build(names = []) {
  const known = native.map(part => part.name)
  const unknown = names.find(name => name !== 'face' && !known.includes(name))
  if (unknown) throw new Failure(`no part is called ${unknown}`, `the parts are ${known.join(', ')} and face`)
  say(`building, cached in ${cacheFolder()}`)
  await installNodeModules()
  if (names.length === 0 || names.includes('face')) await buildFace()
  for (const part of native) if (names.length === 0 || names.includes(part.name)) await buildPart(part)
  say(`built (${elapsed()})`)
}

runScript(import.meta, () => build(process.argv.slice(2)))
