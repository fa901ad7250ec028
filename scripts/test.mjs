// `npm test`: the whole ladder that this machine can climb. Brings and builds what is missing, runs rung after rung, says
// of each what it was and whether it ran, and ends with one line of totals. `-- --rung 0,2` runs only those.

import { bringConsumers } from './build/face.mjs'
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
  if (wanted.includes(2)) await bringConsumers()
  let total = none
  /** @type {string[]} */
  const lines = []
  for (const [number, rung] of rungs.entries()) {
    if (!wanted.includes(number)) {
      lines.push(`rung ${number}, ${rung.name}: not asked for`)
      continue
    }
    say(`\nrung ${number}: ${rung.name}`)
    const tally = await rung.climb()
    total = add(total, tally)
    lines.push(`rung ${number}, ${rung.name}: ${format(tally)}`)
  }
  say(`\n${lines.join('\n')}\n${elapsed()} in all`)
  console.log(format(total))
  return total.failed > 0 || total.passed === 0 ? 1 : 0
})

/** @param {string[]} words */
function parseRungs(words) {
  if (words.length === 0) return [...rungs.keys()]
  const numbers = words[0] === '--rung' ? (words[1] ?? '').split(',').map(Number) : []
  if (numbers.length > 0 && numbers.every(number => rungs[number])) return numbers
  throw new Failure(`not understood: ${words.join(' ')}`, 'npm test -- --rung 0,1,2,3', 2)
}
