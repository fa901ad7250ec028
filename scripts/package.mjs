// `npm run package`: builds everything and writes the two tarballs into build/packages/.
import { mkdirSync, rmSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { build } from './build.mjs'
import { runScript } from './failure.mjs'
import { packPackages } from './package/pack.mjs'
import { root } from './paths.mjs'
import { say } from './progress.mjs'
import { setup } from './setup.mjs'

runScript(import.meta, async () => {
  await setup()
  await build()
  const folder = join(root, 'build/packages')
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(folder, { recursive: true })
  for (const tarball of await packPackages(folder)) say(`${tarball} (${(statSync(tarball).size / 1e6).toFixed(1)} MB)`)
})
