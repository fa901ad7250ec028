// The sizes of the files in the platform package.
import { statSync } from 'node:fs'
import { join } from 'node:path'
import { nativeFolder } from '../../scripts/paths.mjs'

/** @param {string} name @param {...string} files @returns {import('../bench.mjs').Figure} */
const size = (name, ...files) => ({
  name,
  unit: 'MB',
  measure: async () => files.reduce((sum, file) => sum + statSync(join(nativeFolder, file)).size, 0) / 1e6,
})

export const kernelSize = size('kernelSize', 'share/vmlinux')
export const initramfsSize = size('initramfsSize', 'share/initramfs.cpio')
export const addonAndShimSize = size('addonAndShimSize', 'boxlite.node', 'bin/boxlite-shim')
