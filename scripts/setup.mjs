// `npm run setup`: installs what this machine lacks for building, running and (with `--test`) testing, or prints what to do.
// Also called by start, test, package and bench before they build.
import { runScript } from './failure.mjs'
import { say, step } from './progress.mjs'
import { installPackages, packages } from './setup/debian.mjs'
import { gvproxyProgram } from './setup/gvproxy.mjs'
import { checkToolchain } from './setup/toolchain.mjs'

/** @param {{ test?: boolean }} [options] */
export async function setup(options = {}) {
  await installPackages([...packages.build, ...packages.run, ...(options.test ? packages.test : [])])
  await checkToolchain({ test: options.test === true })
  if (options.test) await step('gvproxy', note => gvproxyProgram(note))
}

runScript(import.meta, async () => {
  await setup({ test: process.argv.includes('--test') })
  say('nothing is missing on this machine')
})
