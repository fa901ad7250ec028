// The two host-side parts that cargo makes: the addon, which Node loads, and the shim, which becomes a box.
// Called by build.mjs. They have profiles of their own because a panic must unwind in Node's process and end the shim's.
import { chmodSync, copyFileSync, mkdirSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { root } from '../paths.mjs'
import { crateInputs, hashInputs, rustFacts } from './inputs.mjs'
import { withTarget } from './target.mjs'

/**
 * @param {string} crate @param {string} profile @param {string} built cargo's file @param {string} product ours
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
