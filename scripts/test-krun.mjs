// `npm run test:krun`: rung 3, the same main job on libkrun, in the KVM lab where this machine has no KVM. Prints TAP.
import { build } from './build.mjs'
import { passThrough } from './command.mjs'
import { runScript } from './failure.mjs'
import { krunWorks, runInLab } from './lab.mjs'
import { root } from './paths.mjs'
import { say } from './progress.mjs'
import { setup } from './setup.mjs'

/** kvm-lab's statuses for a failure of its own and for time that is up (tools/kvm-lab/README.md). */
const LAB_FAILED = [125, 124]

runScript(import.meta, async () => {
  await setup({ test: true })
  await build()
  const args = ['--test-reporter=tap', '__test__/krun/main-job.mjs']
  if (await krunWorks()) return passThrough(process.execPath, args, { cwd: root })
  say('libkrun can not run here: starting the KVM lab')
  const lab = () => runInLab(args, ['--icount', '--timeout', '600'])
  // Counting instructions costs a little time and buys a host of one CPU that runs the same way on any machine.
  const status = await lab()
  if (!LAB_FAILED.includes(status)) return status
  // The emulation of a host may freeze, or crawl, and the lab's README says why. A box that hangs for a fault of ours hangs again, and a
  // test that failed has failed, whatever comes after.
  say(`the lab ended with ${status}: once more`)
  return lab()
})
