// The two parts that cargo builds for the host: the addon, which Node loads, and the shim, which runs a box. Called by build.mjs. Their
// profiles differ because a panic must unwind in Node's process and must end the shim's.
import { chmodSync, copyFileSync, mkdirSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { root } from '../paths.mjs'
import { crateInputs, hashInputs, rustFacts } from './inputs.mjs'
import { withTarget } from './target.mjs'

/**
 * @param {string} crate @param {string} profile @param {string} built the name of cargo's file @param {string} product the path of ours
 * @returns {import('./part.mjs').Part}
 */
function cratePart(crate, profile, built, product) {
  const args = ['build', '--locked', '--profile', profile, '-p', crate]
  return {
    name: crate.replace('boxlite-', ''),
    products: [product],
    hash: async () => hashInputs(await crateInputs(crate), [...(await rustFacts()), ...args]),
    make: (out, run, note) =>
      withTarget(note, async target => {
        await run('cargo', args, { cwd: root, env: { ...process.env, CARGO_TARGET_DIR: target } })
        const file = join(out, product)
        mkdirSync(dirname(file), { recursive: true })
        copyFileSync(join(target, profile, built), file)
        chmodSync(file, 0o755)
      }),
  }
}

export const addon = cratePart('boxlite-addon', 'release', 'libboxlite_addon.so', 'boxlite.node')
export const shim = cratePart('boxlite-shim', 'native', 'boxlite-shim', 'bin/boxlite-shim')
