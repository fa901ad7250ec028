// The two parts that run inside a box: the kernel, and the initramfs whose /init is the guest agent. Their build scripts are beside
// their sources in guest/; this file only describes them to the cache. Called by build.mjs.
import { copyFileSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { capture } from '../command.mjs'
import { root } from '../paths.mjs'
import { crateInputs, hashInputs, rustFacts } from './inputs.mjs'
import { withTarget } from './target.mjs'

/** @type {import('./part.mjs').Part} */
export const kernel = {
  name: 'kernel',
  products: ['share/vmlinux', 'share/KERNEL-SOURCE', 'share/KERNEL-CONFIG'],
  async hash() {
    const compiler = await capture('gcc', ['-dumpfullversion'])
    return hashInputs(['guest/kernel'], [`gcc ${compiler.stdout.trim()}`])
  },
  async make(out, run) {
    const work = join(out, 'work')
    mkdirSync(work)
    await run('guest/kernel/build.sh', [work], { cwd: root })
    mkdirSync(join(out, 'share'))
    for (const [from, to] of [
      ['vmlinux', 'vmlinux'],
      ['SOURCE', 'KERNEL-SOURCE'],
      ['config', 'KERNEL-CONFIG'],
    ]) {
      copyFileSync(join(work, String(from)), join(out, 'share', String(to)))
    }
  },
}

/** @type {import('./part.mjs').Part} */
export const initramfs = {
  name: 'initramfs',
  products: ['share/initramfs.cpio'],
  hash: async () => hashInputs([...(await crateInputs('boxlite-guest')), 'guest/initramfs.sh'], await rustFacts()),
  async make(out, run, note) {
    mkdirSync(join(out, 'share'))
    await withTarget(note, target => {
      const env = { ...process.env, CARGO_TARGET_DIR: target }
      return run('guest/initramfs.sh', [join(out, 'share/initramfs.cpio')], { cwd: root, env })
    })
  },
}
