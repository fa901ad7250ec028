// `npm run soak -- --cycles 300`: the soak of __test__/soak, built first. Every option is soak.mjs's own.
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
