// Runs libkrun where it can run: on this machine if its KVM works, else in the KVM lab, an emulated host with KVM. Called by
// test-krun.mjs and by the bench.
import { join } from 'node:path'
import { capture, passThrough } from './command.mjs'
import { nativeFolder, root } from './paths.mjs'

/** Whether libkrun can run a box here. The shim tries it, since a /dev/kvm that exists may not work. */
export async function krunWorks() {
  const { stdout } = await capture(join(nativeFolder, 'bin/boxlite-shim'), ['probe', '--all'])
  /** @type {{ engines: { kind: string, usable: boolean }[] }} */
  const { engines } = JSON.parse(stdout)
  return engines.some(engine => engine.kind === 'krun' && engine.usable)
}

/**
 * Runs `node ARGS` in the lab and returns its status.
 * @param {string[]} args @param {string[]} [options] of kvm-lab itself
 */
export function runInLab(args, options = []) {
  // This machine's home and engine do not exist on the emulated host.
  const env = Object.fromEntries(Object.entries(process.env).filter(([key]) => !/^(BOXLITE_|npm_)/.test(key)))
  return passThrough(join(root, 'tools/kvm-lab/kvm-lab'), [...options, '--', process.execPath, ...args], {
    cwd: root,
    env,
  })
}
