// Builds the TypeScript face: installs node_modules if they are missing or older than the lock file, and bundles index.js, index.mjs and
// bundle.mjs from lib/. Called by build.mjs and test.mjs. Bundling takes less than a second, so only the hash of its inputs is stored.
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { capture } from '../command.mjs'
import { Failure } from '../failure.mjs'
import { root } from '../paths.mjs'
import { step } from '../progress.mjs'
import { hashInputs } from './inputs.mjs'

/** Installs the locked development packages if they are not installed. */
export async function installNodeModules() {
  await once('npm packages', 'node_modules/.boxlite-hash', ['package-lock.json'], 'node_modules/esbuild', async () => {
    await must('npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error'])
  })
}

/**
 * Installs the bundlers and the other JavaScript runtimes that a test uses the package with. They are large, so they have their own
 * folder.
 */
export async function installConsumers() {
  const folder = '__test__/consumers'
  const stamp = `${folder}/node_modules/.boxlite-hash`
  await once(
    'bundlers, Bun, Deno',
    stamp,
    [`${folder}/package-lock.json`],
    `${folder}/node_modules/webpack`,
    async () => {
      await must('npm', ['ci', '--prefix', folder, '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'])
    },
  )
}

/** Bundles the face if its sources have changed. */
export async function buildFace() {
  await once('face', 'build/face.hash', ['lib', 'package.json', 'package-lock.json'], 'bundle.mjs', async () => {
    await must('npm', ['run', '--silent', 'build:js'])
  })
}

/**
 * @param {string} name @param {string} stamp the file with the hash of the inputs of the last run
 * @param {string[]} inputs @param {string} product a file that must exist @param {() => Promise<void>} work
 */
async function once(name, stamp, inputs, product, work) {
  const hash = hashInputs(inputs, [process.version])
  const file = join(root, stamp)
  const current = () => existsSync(file) && readFileSync(file, 'utf8') === hash && existsSync(join(root, product))
  await step(name, async () => {
    if (current()) return 'unchanged'
    await work()
    mkdirSync(dirname(file), { recursive: true })
    writeFileSync(file, hash)
    return 'done'
  })
}

/** @param {string} command @param {string[]} args */
async function must(command, args) {
  const result = await capture(command, args, { cwd: root })
  if (result.status !== 0)
    throw new Failure(`\`${command} ${args.join(' ')}\` ended with ${result.status}:\n${result.output}`)
}
