// `npm run soak -- --cycles 300`: builds the library and runs the soak test of __test__/soak, whose options these are.
import { build } from './build.mjs'
import { passThrough } from './command.mjs'
import { runScript } from './failure.mjs'
import { root } from './paths.mjs'
import { setup } from './setup.mjs'

runScript(import.meta, async () => {
  await setup({ test: true })
  await build()
  return passThrough(process.execPath, ['--expose-gc', '__test__/soak/soak.mjs', ...process.argv.slice(2)], {
    cwd: root,
  })
})
