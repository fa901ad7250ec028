// Lays out the two packages in folders of their own, as they will be published. So no other file of the source tree can get into a
// package, and package.json lacks what only developers need. Called by pack.mjs.
import { chmodSync, copyFileSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { initramfs, kernel } from '../build/guest.mjs'
import { nativeFolder, platform, root } from '../paths.mjs'
import { notices } from './notices.mjs'

/** The main package: the bundled face. @param {string} folder */
export function stageMain(folder) {
  const manifest = readManifest('package.json')
  const { devDependencies, scripts, ...published } = manifest
  const optionalDependencies = { [`@boxlite/node-${platform}`]: manifest.version }
  begin(folder, { ...published, optionalDependencies })
  for (const name of [...manifest.files, 'README.md', 'LICENSE']) copy(join(root, name), join(folder, name))
}

/** The platform package: the native parts and their licences. @param {string} folder */
export async function stagePlatform(folder) {
  const source = join(root, 'npm', platform)
  begin(folder, readManifest(`npm/${platform}/package.json`))
  for (const name of ['boxlite.node', ...kernel.products, ...initramfs.products])
    copy(join(nativeFolder, name), join(folder, name))
  copy(join(nativeFolder, 'bin/boxlite-shim'), join(folder, 'bin/boxlite-shim'), 0o755)
  copy(join(root, 'LICENSE'), join(folder, 'LICENSE'))
  copy(join(source, 'README.md'), join(folder, 'README.md'))
  copy(join(source, 'KERNEL-LICENSE'), join(folder, 'share/KERNEL-LICENSE'))
  writeFileSync(join(folder, 'THIRD-PARTY-NOTICES'), await notices(['boxlite-addon', 'boxlite-shim', 'boxlite-guest']))
}

/** @param {string} file below the root */
const readManifest = file => JSON.parse(readFileSync(join(root, file), 'utf8'))

/** @param {string} folder @param {object} manifest */
function begin(folder, manifest) {
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(folder, { recursive: true })
  writeFileSync(join(folder, 'package.json'), `${JSON.stringify(manifest, null, 2)}\n`)
}

/** @param {string} from @param {string} to @param {number} [mode] */
function copy(from, to, mode = 0o644) {
  mkdirSync(dirname(to), { recursive: true })
  copyFileSync(from, to)
  chmodSync(to, mode)
}
