// `npm start`: from a fresh clone to a running micro-VM. Installs what the machine lacks, builds what is not built, then runs the demo
// (start/demo.mjs) or one command in any image (start/run.mjs).
import { build } from './build.mjs'
import { runScript } from './failure.mjs'
import { setup } from './setup.mjs'
import { demo } from './start/demo.mjs'
import { parseOptions, usage } from './start/options.mjs'
import { run } from './start/run.mjs'

runScript(import.meta, async () => {
  const options = parseOptions(process.argv.slice(2))
  if (options.help) return void process.stdout.write(usage)
  await setup()
  await build()
  return options.image === undefined ? demo(options) : run({ ...options, image: options.image })
})
