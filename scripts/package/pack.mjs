// Packs the tarballs of the main package and of the platform package. Called by package.mjs and by the e2e tests of packages.
import { join } from 'node:path'
import { capture } from '../command.mjs'
import { Failure } from '../failure.mjs'
import { stageMain, stagePlatform } from './stage.mjs'

/**
 * Packs the current contents of build/ and the bundled face into `folder`.
 * @param {string} folder @returns {Promise<string[]>} the tarballs
 */
export async function packPackages(folder) {
  const main = join(folder, 'node')
  const native = join(folder, 'node-platform')
  stageMain(main)
  await stagePlatform(native)
  return [await pack(main, folder), await pack(native, folder)]
}

/** @param {string} staged @param {string} folder */
async function pack(staged, folder) {
  const result = await capture('npm', ['pack', '--json', '--loglevel=error', '--pack-destination', folder], {
    cwd: staged,
  })
  if (result.status !== 0) throw new Failure(`npm pack: ${result.output}`)
  const [{ filename }] = JSON.parse(result.stdout)
  return join(folder, filename.replace('@', '').replace('/', '-'))
}
