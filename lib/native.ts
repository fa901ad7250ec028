// Finds and loads the native addon, at the first use and never at import. Called by `runtime.ts` and `doctor.ts`.
//
// Looked for in this order: the file that `BOXLITE_ADDON` names; the package of this platform, which npm installs as an
// optional dependency; the build folder of a source tree.
import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { basename, dirname, join } from 'node:path'
import type { Binding } from './binding.js'
import { RuntimeError } from './errors.js'

/** The addon, and the folder of what the runtime needs besides: shim, kernel and initramfs. */
export interface Native {
  binding: Binding
  parts: string
}

/** What the loader asks of its surroundings; the unit tests bring their own. */
export interface Surroundings {
  platform: string
  arch: string
  env: Record<string, string | undefined>
  /** Folder of this package or of the source tree. */
  root: string
  /** glibc's version, where the C library is glibc. */
  glibc(): string | undefined
  exists(path: string): boolean
  /** The path of a module; throws if there is none. */
  resolve(request: string): string
  require(path: string): unknown
}

/** The platforms that have a package, by Node's names for them. */
const PLATFORMS: Record<string, string> = { 'linux-x64': 'linux-x64-gnu' }

const ADDON = 'boxlite.node'

let loaded: Native | undefined

/** The addon, loaded once. Throws a `PART_MISSING` that says what to do. */
export function native(): Native {
  loaded ??= loadNative(surroundings())
  return loaded
}

/** Loads the addon of the machine that `around` describes. */
export function loadNative(around: Surroundings): Native {
  const triple = PLATFORMS[`${around.platform}-${around.arch}`]
  if (triple === undefined) {
    throw missing(`there is no native part for ${around.platform}-${around.arch}`, {
      hint: 'boxlite runs on Linux x86-64 with glibc',
    })
  }
  const { addon, parts } = find(around, triple)
  const binding = open(around, addon)
  const { version } = around.require(join(around.root, 'package.json')) as { version: string }
  if (binding.version() !== version) {
    throw missing(`\`${addon}\` is of version ${binding.version()}, but this package is ${version}`, {
      hint: `install @boxlite/node and @boxlite/node-${triple} anew, so that npm brings one version of both`,
    })
  }
  return { binding, parts }
}

function find(around: Surroundings, triple: string): { addon: string; parts: string } {
  const packaged = folderOf(around, `@boxlite/node-${triple}/package.json`)
  const built = join(around.root, 'build', triple)
  const override = around.env.BOXLITE_ADDON
  if (override) {
    if (!around.exists(override)) {
      throw missing(`\`${override}\` does not exist`, {
        hint: 'correct the environment variable BOXLITE_ADDON, or unset it',
      })
    }
    const parts = packaged ?? (around.exists(built) ? built : dirname(override))
    return { addon: override, parts }
  }
  for (const parts of packaged === undefined ? [built] : [packaged, built]) {
    const addon = join(parts, ADDON)
    if (around.exists(addon)) return { addon, parts }
  }
  throw missing(`@boxlite/node-${triple} is not installed`, { hint: remedy(around, triple, packaged) })
}

/** The folder of an installed package. Electron packs packages in an archive, from which nothing can be executed. */
function folderOf(around: Surroundings, manifest: string): string | undefined {
  try {
    return dirname(around.resolve(manifest)).replace(/\.asar(?=[\\/])/, '.asar.unpacked')
  } catch {
    return undefined
  }
}

function remedy(around: Surroundings, triple: string, packaged: string | undefined): string {
  if (packaged?.includes('.asar.unpacked')) {
    return `have Electron unpack it: asarUnpack "**/node_modules/@boxlite/node-${triple}/**"`
  }
  if (around.glibc() === undefined) {
    return "this system's C library is not glibc (Alpine has musl): use a Linux with glibc, such as Debian; in Docker `node:20-slim`"
  }
  return (
    `install it with \`npm install @boxlite/node-${triple}\`; if it was left out, install without \`--omit=optional\` and ` +
    'with a lock file made on or for Linux. In a source tree, build it with `npm run build`'
  )
}

function open(around: Surroundings, addon: string): Binding {
  try {
    return around.require(addon) as Binding
  } catch (error) {
    const glibc = /version `(GLIBC_[\d.]+)' not found/.exec(String(error))?.[1]
    const hint = glibc
      ? `it needs ${glibc} and this system has ${around.glibc() ?? 'none'}: use a newer distribution`
      : around.glibc() === undefined
        ? "this system's C library is not glibc (Alpine has musl): use a Linux with glibc, such as Debian"
        : 'it may be damaged or of another platform: install it anew'
    throw missing(`\`${addon}\` can't be loaded`, { hint, cause: error })
  }
}

function missing(what: string, details: { hint: string; cause?: unknown }): RuntimeError {
  return new RuntimeError('PART_MISSING', `load native part: ${what}`, details)
}

function surroundings(): Surroundings {
  const folder = dirname(__filename)
  const root = basename(folder) === 'lib' ? dirname(folder) : folder
  const require = createRequire(__filename)
  return {
    platform: process.platform,
    arch: process.arch,
    env: process.env,
    root,
    glibc,
    exists: existsSync,
    resolve: require.resolve,
    require,
  }
}

/** The version of this system's glibc; `undefined` where the C library is another. */
export function glibc(): string | undefined {
  const report = process.report.getReport() as unknown as { header: { glibcVersionRuntime?: string } }
  return report.header.glibcVersionRuntime
}
