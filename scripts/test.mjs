// `npm test`: all tests, in rungs from the cheapest to the most expensive. Installs and builds what is missing, runs the rungs one after
// the other, prints the result of each, and ends with one line of totals. `-- --rung 0,2` runs only those two.

import { installConsumers } from './build/face.mjs'
import { build } from './build.mjs'
import { Failure, runScript } from './failure.mjs'
import { elapsed, say } from './progress.mjs'
import { setup } from './setup.mjs'
import { rungs } from './test/rungs.mjs'
import { add, format, none } from './test/tally.mjs'

runScript(import.meta, async () => {
  const wanted = parseRungs(process.argv.slice(2))
  await setup({ test: true })
  await build()
  if (wanted.includes(2)) await installConsumers()
  let total = none
  /** @type {string[]} */
  const lines = []
  for (const [number, rung] of rungs.entries()) {
    if (!wanted.includes(number)) {
      lines.push(`rung ${number}, ${rung.name}: not selected`)
      continue
    }
    say(`\nrung ${number}: ${rung.name}`)
    const tally = await rung.run()
    total = add(total, tally)
    lines.push(`rung ${number}, ${rung.name}: ${format(tally)}`)
  }
  say(`\n${lines.join('\n')}\n${elapsed()} in all`)
  console.log(format(total))
  return total.failed > 0 || total.passed === 0 ? 1 : 0
})

/** @param {string[]} args */
function parseRungs(args) {
  if (args.length === 0) return [...rungs.keys()]
  const numbers = args[0] === '--rung' ? (args[1] ?? '').split(',').map(Number) : []
  if (numbers.length > 0 && numbers.every(number => rungs[number])) return numbers
  throw new Failure(`unknown arguments: ${args.join(' ')}`, 'npm test -- --rung 0,1,2,3', 2)
}
