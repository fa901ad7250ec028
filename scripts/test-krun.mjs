// `npm run test:krun`: rung 3, the main job and the network on libkrun, in the KVM lab if this machine has no KVM. Prints TAP.
import { build } from './build.mjs'
import { passThrough } from './command.mjs'
import { runScript } from './failure.mjs'
import { krunWorks, runInLab } from './lab.mjs'
import { root } from './paths.mjs'
import { say } from './progress.mjs'
import { setup } from './setup.mjs'

/** The statuses of kvm-lab for a failure of its own and for a timeout (tools/kvm-lab/README.md). */
const LAB_FAILED = [125, 124]

runScript(import.meta, async () => {
  await setup({ test: true })
  await build()
  // A process for each file, one after the other, whose reports become one.
  const files = ['main-job', 'network'].map(name => `__test__/krun/${name}.mjs`)
  const args = ['--test', '--test-concurrency=1', '--test-reporter=tap', ...files]
  if (await krunWorks()) return passThrough(process.execPath, args, { cwd: root })
  say('libkrun cannot run here: starting the KVM lab')
  const lab = () => runInLab(args, ['--icount', '--timeout', '600'])
  // With `--icount` the lab is a little slower, but runs the same way on any machine.
  const status = await lab()
  if (!LAB_FAILED.includes(status)) return status
  // The emulated host may freeze or become very slow, as the lab's README explains. A box that hangs because of a fault in our code hangs
  // in the second run too, and a failed test counts whatever the second run gives.
  say(`the lab ended with ${status}: running it once more`)
  return lab()
})
