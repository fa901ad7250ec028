// `npm run chaos`: kills what runs a box, at any moment, over a workload of records that are flushed and acknowledged, and
// asks after each blow whether everything that was promised is there. `--kills N --seed S --engine E --seconds T`; a
// seed repeats its plan. Prints TAP, one line for each blow. Started by scripts/chaos.mjs.
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { runScript } from '../../scripts/failure.mjs'
import { writeImage } from './image.mjs'
import { Ledger } from './ledger.mjs'
import { draw } from './plan.mjs'
import { randomOf } from './random.mjs'
import { play, rest } from './round.mjs'
import { Tally } from './tally.mjs'

/** More failures than this say nothing new. */
const ENOUGH = 5

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
  let scene = await set(engine)
  for (let round = 0; round < Number(values.kills) && performance.now() < deadline; round++) {
    const blow = draw(random, engine, round)
    const outcome = await attempt(blow.victim, () => play(scene, blow))
    tally.count(blow, outcome)
    if (values.verbose) for (const line of outcome.said) console.log(`#   ${line}`)
    if (outcome.faults.length === 0) continue
    if (tally.failed >= ENOUGH) break
    console.log(`# kept for a look: ${scene.base}`)
    scene = await set(engine)
  }
  tally.countRest(await attempt('nobody', () => rest(scene)))
  if (tally.failed === 0) rmSync(scene.base, { recursive: true, force: true })
  tally.sum(scene.ledger.acknowledged, replay)
  return tally.failed > 0 ? 1 : 0
})

/** A new home with nothing in it. @param {'qemu' | 'krun'} engine @returns {Promise<import('./round.mjs').Scene>} */
async function set(engine) {
  const base = mkdtempSync(join(tmpdir(), 'bx-'))
  mkdirSync(join(base, 'tmp'))
  mkdirSync(join(base, 'image'))
  await writeImage(join(base, 'image'))
  return { base, home: join(base, 'home'), image: join(base, 'image'), engine, ledger: new Ledger() }
}

/** A round that could not be played to its end is a failure of it. @param {string} killed @param {() => Promise<import('./round.mjs').Outcome>} play */
async function attempt(killed, play) {
  try {
    return await play()
  } catch (error) {
    return { faults: [String(error)], killed, goneMs: 0, said: [], lost: undefined }
  }
}
