// Where libkrun can be run: here if /dev/kvm can really be opened, else in the KVM lab, an emulated host that has one.
// Called by test-krun.mjs and by the bench.
import { accessSync, constants } from 'node:fs'
import { join } from 'node:path'
import { passThrough } from './command.mjs'
import { root } from './paths.mjs'

/** Whether this process may use hardware virtualisation. */
export function hasKvm() {
  try {
    accessSync('/dev/kvm', constants.R_OK | constants.W_OK)
    return true
  } catch {
    return false
  }
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
