// `npm run test:krun`: rung 3, the same main job on libkrun, in the KVM lab where this machine has no KVM. Prints TAP.
import { build } from './build.mjs'
import { passThrough } from './command.mjs'
import { runScript } from './failure.mjs'
import { krunWorks, runInLab } from './lab.mjs'
import { root } from './paths.mjs'
import { say } from './progress.mjs'
import { setup } from './setup.mjs'

runScript(import.meta, async () => {
  await setup({ test: true })
  await build()
  const args = ['--test-reporter=tap', '__test__/krun/main-job.mjs']
  if (await krunWorks()) return passThrough(process.execPath, args, { cwd: root })
  say('libkrun can not run here: starting the KVM lab')
  // Counting instructions costs a little time and buys a host of one CPU that runs the same way each time: several emulated CPUs
  // with nested virtualisation were seen to freeze.
  return runInLab(args, ['--icount', '--timeout', '900'])
})
