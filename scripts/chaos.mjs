// `npm run chaos -- --kills 500 --seed 1`: builds the library and runs the chaos test of __test__/chaos; `--lab` runs it on libkrun
// in the KVM lab, and `--network` the chaos of networks, with a shim that is frozen for a minute and twenty that are killed beside their
// gvproxy. All other options are those of chaos.mjs.
import { build } from './build.mjs'
import { passThrough } from './command.mjs'
import { runScript } from './failure.mjs'
import { runInLab } from './lab.mjs'
import { root } from './paths.mjs'
import { setup } from './setup.mjs'

runScript(import.meta, async () => {
  const options = process.argv.slice(2).filter(option => option !== '--lab')
  await setup({ test: true })
  await build()
  if (options.includes('--network')) {
    const files = ['chaos', 'backends'].map(name => `__test__/e2e/network/${name}.test.ts`)
    const env = { ...process.env, BOXLITE_CHAOS_FREEZE_MS: '60000', BOXLITE_CHAOS_KILLS: '20' }
    return passThrough('npx', ['vitest', 'run', '--project', 'e2e', ...files], { cwd: root, env })
  }
  const args = ['__test__/chaos/chaos.mjs', ...options]
  if (!process.argv.includes('--lab')) return passThrough(process.execPath, args, { cwd: root })
  return runInLab([...args, '--engine', 'krun'], ['--icount', '--timeout', '3600'])
})
