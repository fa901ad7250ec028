// `npm run setup`: brings what this machine lacks for building, running and (with `--test`) testing, or says what to do.
// Also called by start, test, package and bench before they build.
import { runScript } from './failure.mjs'
import { say } from './progress.mjs'
import { bringPackages, packages } from './setup/debian.mjs'
import { checkToolchain } from './setup/toolchain.mjs'

/** @param {{ test?: boolean }} [options] */
export async function setup(options = {}) {
  await bringPackages([...packages.build, ...packages.run, ...(options.test ? packages.test : [])])
  await checkToolchain()
}

runScript(import.meta, async () => {
  await setup({ test: process.argv.includes('--test') })
  say('this machine has what it takes')
})
