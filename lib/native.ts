// Finds and loads the native addon, at the first use and never at import. Called by `runtime.ts` and `doctor.ts`.
//
// The search order is: the file that `BOXLITE_ADDON` names; the package of this platform, which npm installs as an
// optional dependency; the build folder of a source tree. A bundler may have moved this code anywhere: then the package is searched
// for from where the bundle lies, and from the program's main file. Nothing here needs a file of this package, nor a `require`
// that a bundler would see.
import { existsSync, readFileSync } from 'node:fs'
import modules from 'node:module'
import { basename, dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Binding } from './binding.js'
import { RuntimeError } from './errors.js'
import { VERSION } from './version.js'

/** The addon, and the folder of what the runtime needs besides: shim, kernel and initramfs. */
export interface Native {
  binding: Binding
  parts: string
}

/** What the loader needs of its environment; the unit tests replace it. */
export interface Surroundings {
  platform: string
  arch: string
  env: Record<string, string | undefined>
  /** The version of this code, which the addon must have too. */
  version: string
  /** Folder of this package or of the source tree; `undefined` where a bundler moved the code elsewhere. */
  root: string | undefined
  /** The folders from which the platform's package is resolved, best first. */
  folders: string[]
  /** glibc's version, where the C library is glibc. */
  glibc(): string | undefined
  exists(path: string): boolean
  /** The path of a module as code in `folder` finds it; throws if there is none. */
  resolve(request: string, folder: string): string
  /** Loads an addon. */
  load(path: string): unknown
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
  if (binding.version() !== around.version) {
    throw missing(`\`${addon}\` is of version ${binding.version()}, but this package is ${around.version}`, {
      hint: `install @boxlite/node and @boxlite/node-${triple} anew, so that npm brings one version of both`,
    })
  }
  return { binding, parts }
}

function find(around: Surroundings, triple: string): { addon: string; parts: string } {
  const packaged = folderOf(around, `@boxlite/node-${triple}`)
  const built = around.root && join(around.root, 'build', triple)
  const override = around.env.BOXLITE_ADDON
  if (override) {
    if (!around.exists(override)) {
      throw missing(`\`${override}\` does not exist`, {
        hint: 'correct the environment variable BOXLITE_ADDON, or unset it',
      })
    }
    const parts = packaged ?? (built && around.exists(built) ? built : dirname(override))
    return { addon: override, parts }
  }
  for (const parts of [packaged, built]) {
    if (parts === undefined) continue
    const addon = join(parts, ADDON)
    if (around.exists(addon)) return { addon, parts }
  }
  throw missing(`@boxlite/node-${triple} is not installed`, { hint: remedy(around, triple, packaged) })
}

/** The folder of an installed package. Electron packs packages in an archive, from which nothing can be executed. */
function folderOf(around: Surroundings, name: string): string | undefined {
  for (const folder of around.folders) {
    // With pnpm and Yarn a package sees only its own dependencies, so resolve from the main package.
    for (const origin of [folder, resolved(around, '@boxlite/node/package.json', folder)]) {
      const found = origin && resolved(around, `${name}/package.json`, origin)
      if (found !== undefined) return found.replace(/\.asar(?=[\\/])/, '.asar.unpacked')
    }
  }
  return undefined
}

/** The folder of a package's manifest, as code in `folder` finds it. */
function resolved(around: Surroundings, manifest: string, folder: string): string | undefined {
  try {
    return dirname(around.resolve(manifest, folder))
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
  if (around.root === undefined) {
    return (
      `this code was bundled: install @boxlite/node where the bundle runs, or keep it out of the bundle: esbuild, Rollup and Vite ` +
      "`external: ['@boxlite/node']`, webpack `externals: { '@boxlite/node': 'commonjs @boxlite/node' }`, Next.js " +
      "`serverExternalPackages: ['@boxlite/node']`; see docs/packaging.md"
    )
  }
  return (
    `install it with \`npm install @boxlite/node-${triple}\`; if it was left out, install without \`--omit=optional\` and ` +
    'with a lock file made on or for Linux. In a source tree, build it with `npm run build`'
  )
}

function open(around: Surroundings, addon: string): Binding {
  try {
    return around.load(addon) as Binding
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
  const files = [ownFile(), process.argv[1] && resolve(process.argv[1])].filter(
    file => file !== undefined && file !== '',
  )
  return {
    platform: process.platform,
    arch: process.arch,
    env: process.env,
    version: VERSION,
    root: rootOf(files[0]),
    folders: files.map(file => dirname(file as string)),
    glibc,
    exists: existsSync,
    // Not by its name: webpack takes that for a `require` of its own, which knows no folder of the machine that it runs on.
    resolve: (request, folder) => modules.createRequire(join(folder, 'index.js')).resolve(request),
    load(path) {
      const addon = { exports: {} }
      process.dlopen(addon, path)
      return addon.exports
    },
  }
}

/** The file that this code is in; `undefined` where a bundler has both forms of it removed. */
function ownFile(): string | undefined {
  try {
    return fileURLToPath(import.meta.url)
  } catch {
    return typeof __filename === 'string' ? __filename : undefined
  }
}

/** The folder of this package or of the source tree, if `file` is in one. */
function rootOf(file: string | undefined): string | undefined {
  if (file === undefined) return undefined
  const folder = dirname(file)
  const root = basename(folder) === 'lib' ? dirname(folder) : folder
  try {
    return JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')).name === '@boxlite/node' ? root : undefined
  } catch {
    return undefined
  }
}

/** The version of this system's glibc; `undefined` where the C library is another. */
export function glibc(): string | undefined {
  const report = process.report?.getReport() as unknown as { header?: { glibcVersionRuntime?: string } } | undefined
  return report?.header?.glibcVersionRuntime
}
