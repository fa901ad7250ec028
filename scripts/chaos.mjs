// `npm run chaos -- --kills 500 --seed 1`: the chaos test of __test__/chaos, built first; `--lab` runs it on libkrun in the KVM
// lab. Every option but that one is chaos.mjs's own.
import { build } from './build.mjs'
import { passThrough } from './command.mjs'
import { runScript } from './failure.mjs'
import { runInLab } from './lab.mjs'
import { root } from './paths.mjs'
import { setup } from './setup.mjs'

runScript(import.meta, async () => {
  const words = process.argv.slice(2).filter(word => word !== '--lab')
  await setup({ test: true })
  await build()
  const args = ['__test__/chaos/chaos.mjs', ...words]
  if (!process.argv.includes('--lab')) return passThrough(process.execPath, args, { cwd: root })
  return runInLab([...args, '--engine', 'krun'], ['--icount', '--timeout', '3600'])
})
