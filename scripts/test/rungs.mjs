// The rungs of the ladder, lowest first: what each runs, and how it counts. Called by test.mjs.
// A skipped test on a rung that this machine can climb is a failure: `strict` turns it into one and says so.
import { say } from '../progress.mjs'
import { cargoTest, check, tap, vitest } from './runners.mjs'
import { add, none } from './tally.mjs'

/** @typedef {import('./tally.mjs').Tally} Tally */

/** What rung 0's cargo run found out about rung 1, whose tests it compiles and runs along. @type {Tally | undefined} */
let duplex

/** Test programs of rung 1: the real guest services, and the real portal, joined without a machine. */
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

/** @type {{ name: string, climb: () => Promise<Tally> }[]} */
export const rungs = [
  {
    name: 'pure, no machine',
    climb: async () =>
      strict(
        add(
          await check('rustfmt', 'cargo fmt --all --check'),
          await check('lint', 'npm run --silent lint'),
          await check('types', 'npm run --silent typecheck'),
          await vitest('house'),
          await vitest('unit'),
          await check('clippy', 'cargo clippy --workspace --all-targets --locked -- -D warnings'),
          await cargo(),
          await tap('fuzz', 'node scripts/fuzz.mjs'),
        ),
      ),
  },
  {
    name: 'duplex, portal and guest joined in one process',
    climb: async () => {
      if (duplex === undefined) await cargo()
      const tally = duplex ?? none
      if (tally.passed + tally.failed > 0) return strict(tally)
      say('  no test program of this rung was found')
      return { ...tally, failed: 1 }
    },
  },
  {
    name: 'boxes on QEMU',
    climb: async () =>
      strict(
        add(
          await vitest('e2e'),
          await tap('chaos', `node __test__/chaos/chaos.mjs --kills 16 --seconds 60 --seed ${chaosSeed()}`),
          await tap('soak', 'node --expose-gc __test__/soak/soak.mjs --cycles 25 --boxes 20'),
        ),
      ),
  },
  { name: 'boxes on libkrun', climb: async () => strict(await tap('krun', 'node scripts/test-krun.mjs')) },
]

/** Another plan each day, and the same all day; the first line of the log says how to play it again. */
const chaosSeed = () => Math.floor(Date.now() / 86_400_000)

/** @param {Tally} tally @returns {Tally} */
function strict(tally) {
  const unexcused = tally.skipped - (tally.excused ?? 0)
  if (unexcused === 0) return tally
  say(`  ${unexcused} skipped where nothing had to be: that is a failure`)
  return { ...tally, failed: tally.failed + unexcused }
}
