// `npm run chaos`: kills the processes of a box at random moments, during a workload of records that are flushed and acknowledged, and
// checks after each kill that everything acknowledged is still there. `--kills N --seed S --engine E --seconds T --verbose`; a seed
// repeats its plan. Prints TAP, one line for each kill. Started by scripts/chaos.mjs.
//
// plan.mjs draws the kills, round.mjs carries one out, life.mjs runs the host process (host.mjs) of a round. The ledger (ledger.mjs)
// records what the host process has promised; the oracle (oracle.mjs) checks what is true afterwards; the saboteur (saboteur.mjs)
// kills processes inside the guest.
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { runScript } from '../../scripts/failure.mjs'
import { writeImage } from './image.mjs'
import { Ledger } from './ledger.mjs'
import { draw } from './plan.mjs'
import { randomOf } from './random.mjs'
import { finish, play } from './round.mjs'
import { Tally } from './tally.mjs'

/** The run ends after this many failures. */
const FAILURES_MAX = 5

const { values } = parseArgs({
  options: {
    kills: { type: 'string', default: '20' },
    seed: { type: 'string', default: `${Math.floor(Date.now() / 1000)}` },
    engine: { type: 'string', default: 'qemu' },
    seconds: { type: 'string', default: '100000' },
    verbose: { type: 'boolean', default: false },
  },
})

runScript(import.meta, async () => {
  const seed = Number(values.seed)
  const engine = values.engine === 'krun' ? 'krun' : 'qemu'
  const replay = `npm run chaos -- --kills ${values.kills} --seed ${seed} --engine ${engine}`
  console.log(`# ${replay}`)
  const tally = new Tally()
  const deadline = performance.now() + Number(values.seconds) * 1000
  const random = randomOf(seed)
  let scene = await newScene(engine)
  for (let round = 0; round < Number(values.kills) && performance.now() < deadline; round++) {
    const kill = draw(random, engine, round)
    const outcome = await attempt(kill.victim, () => play(scene, kill))
    tally.count(kill, outcome)
    if (values.verbose) for (const line of outcome.lines) console.log(`#   ${line}`)
    if (outcome.faults.length === 0) continue
    if (tally.failed >= FAILURES_MAX) break
    console.log(`# the home of the failure is in ${scene.base}`)
    scene = await newScene(engine)
  }
  tally.countFinish(await attempt('nobody', () => finish(scene)))
  if (tally.failed === 0) rmSync(scene.base, { recursive: true, force: true })
  tally.sum(scene.ledger.acknowledged, replay)
  return tally.failed > 0 ? 1 : 0
})

/** Creates an empty home. @param {'qemu' | 'krun'} engine @returns {Promise<import('./round.mjs').Scene>} */
async function newScene(engine) {
  const base = mkdtempSync(join(tmpdir(), 'bx-'))
  mkdirSync(join(base, 'tmp'))
  mkdirSync(join(base, 'image'))
  await writeImage(join(base, 'image'))
  return { base, home: join(base, 'home'), image: join(base, 'image'), engine, ledger: new Ledger() }
}

/**
 * Plays a round. If it throws, that is the fault of the round.
 * @param {string} killed @param {() => Promise<import('./round.mjs').Outcome>} play
 */
async function attempt(killed, play) {
  try {
    return await play()
  } catch (error) {
    return { faults: [String(error)], killed, goneMs: 0, lines: [], lost: undefined }
  }
}
