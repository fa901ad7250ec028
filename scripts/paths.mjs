// The folders: the source tree, the build cache outside it, and the folder of the native parts. Used by every script. The cache is
// keyed by content, so any number of checkouts share it.
import { mkdirSync } from 'node:fs'
import { homedir } from 'node:os'
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'

/** The top of the source tree. */
export const root = resolve(fileURLToPath(new URL('..', import.meta.url)))

/** The only platform that is built so far. Its npm package and its build folder have this name. */
export const platform = 'linux-x64-gnu'

/** The folder of the native parts, in the layout of the platform package: `boxlite.node`, `bin/`, `share/`. */
export const nativeFolder = join(root, 'build', platform)

/** The build cache: `$BOXLITE_CACHE`, else `boxlite-build` in the user's cache folder. It is created if it is missing. */
export function cacheFolder() {
  const folder = resolve(
    process.env.BOXLITE_CACHE || join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'boxlite-build'),
  )
  mkdirSync(folder, { recursive: true })
  return folder
}

/** Cargo's target folder: `$CARGO_TARGET_DIR`, else a folder in the build cache. */
export function targetFolder() {
  return resolve(process.env.CARGO_TARGET_DIR || join(cacheFolder(), 'target'))
}
