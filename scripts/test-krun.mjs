// `npm run test:krun`: rung 3, the same main job on libkrun, in the KVM lab where this machine has no KVM. Prints TAP.
import { build } from './build.mjs'
import { passThrough } from './command.mjs'
import { runScript } from './failure.mjs'
import { krunWorks, runInLab } from './lab.mjs'
import { root } from './paths.mjs'
import { say } from './progress.mjs'
import { setup } from './setup.mjs'

/** kvm-lab's status for a failure of its own (tools/kvm-lab/README.md). */
const LAB_FAILED = 125

runScript(import.meta, async () => {
  await setup({ test: true })
  await build()
  const args = ['--test-reporter=tap', '__test__/krun/main-job.mjs']
  if (await krunWorks()) return passThrough(process.execPath, args, { cwd: root })
  say('libkrun can not run here: starting the KVM lab')
  const lab = () => runInLab(args, ['--icount', '--timeout', '900'])
  // Counting instructions costs a little time and buys a host of one CPU that runs the same way on any machine.
  const status = await lab()
  if (status !== LAB_FAILED) return status
  // What failed is the emulation of a host (the lab's README says why it may freeze). A test that fails gives another status, and is never run again.
  say('the lab failed, not a test: once more')
  return lab()
})
