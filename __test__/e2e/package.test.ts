// The two packages, installed as npm installs them, in a folder that knows nothing of this source tree: a box boots by
// `import` and by `require`, and everything in the packages is what it should be.
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { capture } from '../../scripts/command.mjs'
import { packPackages } from '../../scripts/package/pack.mjs'
import { platform } from '../../scripts/paths.mjs'
import { runExample } from '../support/example.js'
import { engine, useHomes } from '../support/homes.js'
import { layout } from '../support/images.js'

const homes = useHomes()
let app: string
let image: string

/** What a user's machine has: no BOXLITE_ variable, no Node option, no way back into this tree. */
const clean = Object.fromEntries(
  Object.entries(process.env).filter(([key]) => !/^(BOXLITE_|NODE_|npm_|VITE|INIT_CWD)/.test(key)),
)

beforeAll(async () => {
  image = await layout(homes)
  app = mkdtempSync(join(tmpdir(), 'boxlite-app-'))
  const tarballs = await packPackages(homes.folder())
  writeFileSync(join(app, 'package.json'), JSON.stringify({ name: 'app', private: true }))
  const args = ['install', '--ignore-scripts', '--no-audit', '--no-fund', '--offline', ...tarballs]
  const result = await capture('npm', args, { cwd: app, env: clean })
  expect(result.status, result.output).toBe(0)
})
afterAll(() => rmSync(app, { recursive: true, force: true }))

const surroundings = () => ({
  cwd: app,
  env: { ...clean, TMPDIR: process.env.TMPDIR, BOXLITE_HOME: homes.folder(), BOXLITE_ENGINE: engine },
})

it('boots a box through import', async () => {
  const source = `
    import { Runtime } from '@boxlite/node'
    await using runtime = await Runtime.open()
    await using box = await runtime.create({ image: process.argv[2] })
    console.log((await box.exec('echo', ['imported'])).stdout.trim())`
  const { output, status } = await runExample(source, [image], surroundings())
  expect(output).toBe('imported\n')
  expect(status).toBe(0)
})

it('boots a box through require', async () => {
  writeFileSync(
    join(app, 'main.cjs'),
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
  const { output, status } = await capture(process.execPath, ['main.cjs', image], surroundings())
  expect(output).toBe('required\n')
  expect(status).toBe(0)
})

it('brings a command that examines the machine', async () => {
  const { status, output } = await capture('npx', ['--no-install', 'boxlite', 'doctor'], surroundings())
  expect(output).toContain(`Boxes can run here: engine ${engine}`)
  expect(status).toBe(0)
})

it('finds its parts in the package, with their modes', () => {
  const folder = join(app, 'node_modules/@boxlite', `node-${platform}`)
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
  const main = join(app, 'node_modules/@boxlite/node')
  expect(readdirSync(main).sort()).toEqual(
    ['LICENSE', 'README.md', 'bin', 'index.d.mts', 'index.d.ts', 'index.js', 'index.mjs', 'package.json'].sort(),
  )
  const { devDependencies, scripts, optionalDependencies, version } = JSON.parse(
    readFileSync(join(main, 'package.json'), 'utf8'),
  )
  expect({ devDependencies, scripts }).toEqual({})
  expect(optionalDependencies).toEqual({ [`@boxlite/node-${platform}`]: version })
})
