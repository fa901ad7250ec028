// The rungs of the tests, the cheapest first: what each runs, and how its tests are counted. Called by test.mjs. A skipped test counts
// as a failure (`strict`).
import { availableParallelism } from 'node:os'
import { say } from '../progress.mjs'
import { cargoTest, check, tap, vitest } from './runners.mjs'
import { add, none } from './tally.mjs'

/** @typedef {import('./tally.mjs').Tally} Tally */

/** The tests of networks. */
const NETWORK = '__test__/e2e/network'

/** The result of rung 1, whose tests are run by the `cargo test` of rung 0. @type {Tally | undefined} */
let duplex

/** The test programs of rung 1: the real guest services and the real portal, connected without a machine. */
const DUPLEX = /duplex|tests\/agent\//

async function cargo() {
  const { all, of } = await cargoTest('cargo test', 'cargo test --workspace --locked --no-fail-fast')
  duplex = of(DUPLEX)
  return {
    passed: all.passed - duplex.passed,
    failed: all.failed - duplex.failed,
    skipped: all.skipped - duplex.skipped,
  }
}

/** @type {{ name: string, run: () => Promise<Tally> }[]} */
export const rungs = [
  {
    name: 'pure, no machine',
    run: async () =>
      strict(
        add(
          await check('rustfmt', 'cargo fmt --all --check'),
          await check('lint', 'npm run --silent lint'),
          await check('types', 'npm run --silent typecheck'),
          await vitest('house'),
          await vitest('unit'),
          await check('docs', 'cargo doc --workspace --no-deps --locked --quiet'),
          await check('clippy', 'cargo clippy --workspace --all-targets --locked -- -D warnings'),
          await cargo(),
          await tap('fuzz', 'node scripts/fuzz.mjs'),
        ),
      ),
  },
  {
    name: 'duplex, portal and guest joined in one process',
    run: async () => {
      if (duplex === undefined) await cargo()
      const tally = duplex ?? none
      if (tally.passed + tally.failed > 0) return strict(tally)
      say('  no test program of this rung was found')
      return { ...tally, failed: 1 }
    },
  },
  {
    name: 'boxes on QEMU',
    run: async () =>
      strict(
        add(
          await vitest('e2e', { filter: `--exclude '${NETWORK}/**'` }),
          // Each of these files has its own internet, measures no rates, and its box waits for half of the time.
          await vitest('e2e', { name: 'network', filter: NETWORK, workers: Math.min(2, availableParallelism()) }),
          await tap('chaos', `node __test__/chaos/chaos.mjs --kills 16 --seconds 60 --seed ${chaosSeed()}`),
          await tap('soak', 'node --expose-gc __test__/soak/soak.mjs --cycles 25 --boxes 20'),
        ),
      ),
  },
  { name: 'boxes on libkrun', run: async () => strict(await tap('krun', 'node scripts/test-krun.mjs')) },
]

/** A plan that changes once a day. The first line of the log has the command that repeats it. */
const chaosSeed = () => Math.floor(Date.now() / 86_400_000)

/** @param {Tally} tally @returns {Tally} */
function strict(tally) {
  const unexcused = tally.skipped - (tally.excused ?? 0)
  if (unexcused === 0) return tally
  say(`  ${unexcused} skipped without an excuse, which counts as a failure`)
  return { ...tally, failed: tally.failed + unexcused }
}
