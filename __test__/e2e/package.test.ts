// The two packages, installed as npm installs them, in a folder that knows nothing of this source tree: a box boots by
// `import` and by `require`, and everything in the packages is what it should be.
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, expect, it } from 'vitest'
import { capture } from '../../scripts/command.mjs'
import { platform } from '../../scripts/paths.mjs'
import { useApp } from '../support/app.js'
import { runExample } from '../support/example.js'
import { engine, useHomes } from '../support/homes.js'
import { layout } from '../support/images.js'

const homes = useHomes()
const app = useApp(homes)
let image: string

beforeAll(async () => {
  image = await layout(homes)
})

it('boots a box through import', async () => {
  const source = `
    import { Runtime } from '@boxlite/node'
    await using runtime = await Runtime.open()
    await using box = await runtime.create({ image: process.argv[2] })
    console.log((await box.exec('echo', ['imported'])).stdout.trim())`
  const { output, status } = await runExample(source, [image], app.surroundings())
  expect(output).toBe('imported\n')
  expect(status).toBe(0)
})

it('boots a box through require', async () => {
  writeFileSync(
    join(app.folder, 'main.cjs'),
    `const { Runtime } = require('@boxlite/node')
     async function main() {
       const runtime = await Runtime.open()
       const box = await runtime.create({ image: process.argv[2] })
       console.log((await box.exec('echo', ['required'])).stdout.trim())
       await box.remove({ force: true })
       await runtime.close()
     }
     main()`,
  )
  const { output, status } = await capture(process.execPath, ['main.cjs', image], app.surroundings())
  expect(output).toBe('required\n')
  expect(status).toBe(0)
})

it('brings a command that examines the machine', async () => {
  const { status, output } = await capture('npx', ['--no-install', 'boxlite', 'doctor'], app.surroundings())
  expect(output).toContain(`Boxes can run here: engine ${engine}`)
  expect(status).toBe(0)
})

it('finds its parts in the package, with their modes', () => {
  const folder = join(app.folder, 'node_modules/@boxlite', `node-${platform}`)
  const files = readdirSync(folder, { recursive: true }).map(String)
  for (const name of [
    'boxlite.node',
    'bin/boxlite-shim',
    'share/vmlinux',
    'share/initramfs.cpio',
    'LICENSE',
    'share/KERNEL-LICENSE',
    'share/KERNEL-SOURCE',
  ]) {
    expect(files).toContain(name)
  }
  expect(statSync(join(folder, 'bin/boxlite-shim')).mode & 0o777).toBe(0o755)
})

it('holds nothing of the machine that it was built on', () => {
  const main = join(app.folder, 'node_modules/@boxlite/node')
  expect(readdirSync(main).sort()).toEqual(
    [
      'LICENSE',
      'README.md',
      'bin',
      'bundle.mjs',
      'index.d.mts',
      'index.d.ts',
      'index.js',
      'index.mjs',
      'package.json',
    ].sort(),
  )
  const { devDependencies, scripts, optionalDependencies, version } = JSON.parse(
    readFileSync(join(main, 'package.json'), 'utf8'),
  )
  expect({ devDependencies, scripts }).toEqual({})
  expect(optionalDependencies).toEqual({ [`@boxlite/node-${platform}`]: version })
})
