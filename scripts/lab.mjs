// Where libkrun can be run: here if hardware virtualisation can really be used, else in the KVM lab, an emulated host that has one.
// Called by test-krun.mjs and by the bench.
import { join } from 'node:path'
import { capture, passThrough } from './command.mjs'
import { parts, root } from './paths.mjs'

/** Whether libkrun can run a box here: the shim's own answer, since a /dev/kvm that is there may still be of no use. */
export async function krunWorks() {
  const { stdout } = await capture(join(parts, 'bin/boxlite-shim'), ['probe', '--all'])
  /** @type {{ engines: { kind: string, usable: boolean }[] }} */
  const { engines } = JSON.parse(stdout)
  return engines.some(engine => engine.kind === 'krun' && engine.usable)
}

/**
 * Runs `node ARGS` in the lab and returns its status.
 * @param {string[]} args @param {string[]} [options] of kvm-lab itself
 */
export function runInLab(args, options = []) {
  // A home or engine of ours means nothing on the emulated host.
  const env = Object.fromEntries(Object.entries(process.env).filter(([key]) => !/^(BOXLITE_|npm_)/.test(key)))
  return passThrough(join(root, 'tools/kvm-lab/kvm-lab'), [...options, '--', process.execPath, ...args], {
    cwd: root,
    env,
  })
}
