// One round: a life of the host process, a blow, and the questions after it. Called by chaos.mjs.
import { join } from 'node:path'
import { Life } from './life.mjs'
import { diskFaults, GONE_MS, gone, leftovers, misjudged, tornFiles } from './oracle.mjs'
import { writeClean, writeSabotaged } from './saboteur.mjs'

/**
 * @typedef {object} Scene what all rounds share
 * @property {string} base @property {string} home @property {string} image
 * @property {'qemu' | 'krun'} engine
 * @property {import('./ledger.mjs').Ledger} ledger
 */
/** @typedef {{ faults: string[], killed: string, goneMs: number, said: string[], lost: string | undefined }} Outcome */

/** @param {Scene} scene @param {import('./plan.mjs').Blow} blow @returns {Promise<Outcome>} */
export async function play(scene, blow) {
  const initramfs = join(scene.base, 'initramfs.cpio')
  writeClean(initramfs)
  const inside = blow.victim === 'agent' || blow.victim === 'zygote'
  // Put in its place by the host process, once it has started all the boxes that are to live.
  const doomed = inside ? `${initramfs}.doomed` : undefined
  if (doomed) writeSabotaged(doomed, /** @type {'agent' | 'zygote'} */ (blow.victim), blow.delayMs)
  const life = begin(scene, { ...blow, doomed })
  try {
    return await judge(scene, life, await fall(life, blow), initramfs)
  } catch (error) {
    life.strike('all')
    throw error
  }
}

/**
 * Lets the blow fall: who was hit. A blow that met nobody, or a machine that was ending anyway, leaves a box that lives on;
 * then the host process is struck.
 * @param {Life} life @param {import('./plan.mjs').Blow} blow
 */
async function fall(life, blow) {
  const killed = await strike(life, blow)
  if (!survivedBy(killed)) return killed
  await life.until(() => life.said('lost').length + life.said('missed').length > 0, 'word of the loss')
  return life.said('missed').length > 0 ? life.strike('host') : killed
}

/** Whether the host process lives on. @param {string} killed */
const survivedBy = killed => killed !== 'host' && killed !== 'all'

/** The machine dies by itself, or at our hand some time after the phase began. @param {Life} life @param {import('./plan.mjs').Blow} blow */
async function strike(life, { phase, victim, delayMs }) {
  if (victim === 'agent' || victim === 'zygote') return victim
  await life.until(() => life.said('phase').length > 0, `phase ${phase}`)
  await new Promise(resolve => setTimeout(resolve, delayMs))
  return life.strike(victim)
}

/** The questions. @param {Scene} scene @param {Life} life @param {string} killed @param {string} initramfs @returns {Promise<Outcome>} */
async function judge({ base, home, ledger }, life, killed, initramfs) {
  const survives = survivedBy(killed)
  const faults = survives ? [] : await end(life)
  const lost = life.said('lost')[0]
  faults.push(...misjudged(lost))
  for (const id of life.said('box')) ledger.ids.add(id)
  const { tookMs, left } = await gone(home, ledger.ids)
  if (left.length > 0) faults.push(`after ${GONE_MS} ms there still is: ${left.join(', ')}`)
  faults.push(...tornFiles(home))
  faults.push(...(await askDisk(base, home, life, 'killed')))
  if (survives) {
    writeClean(initramfs)
    life.goOn()
    faults.push(...(await close(life, base, home)))
  }
  faults.push(...ledger.read(life.lines))
  return { faults, killed, goneMs: tookMs, said: life.lines, lost }
}

/** A round without a blow: what the last one left is whole, and closes in order. @param {Scene} scene @returns {Promise<Outcome>} */
export async function rest(scene) {
  writeClean(join(scene.base, 'initramfs.cpio'))
  const life = begin(scene, { phase: 'none', fresh: false })
  const faults = await close(life, scene.base, scene.home)
  faults.push(...scene.ledger.read(life.lines))
  return { faults, killed: 'nobody', goneMs: 0, said: life.lines, lost: undefined }
}

/** @param {Scene} scene @param {{ phase: import('./plan.mjs').Phase | 'none', fresh: boolean, doomed?: string | undefined }} order */
function begin({ base, home, image, engine }, { phase, fresh, doomed }) {
  const env = { ...process.env, TMPDIR: join(base, 'tmp'), BOXLITE_INITRAMFS: join(base, 'initramfs.cpio') }
  return new Life({ home, image, engine, phase, fresh, doomed }, env)
}

/** The end of a host process that was killed. @param {Life} life */
async function end(life) {
  await life.until(() => life.ended !== undefined)
  return life.ended === 'SIGKILL' ? [] : [`the host process had ended with ${life.ended}: ${life.errors}`]
}

/** The end of one that was not. @param {Life} life @param {string} base @param {string} home */
async function close(life, base, home) {
  await life.until(() => life.ended !== undefined, 'the end of the host process')
  const faults = life.lines.at(-1) === 'closed' ? [] : [`the host process ended with ${life.ended}: ${life.errors}`]
  const left = leftovers(home).map(file => `left behind: ${file}`)
  return [...faults, ...left, ...(await askDisk(base, home, life, 'stopped'))]
}

/** @param {string} base @param {string} home @param {Life} life @param {'killed' | 'stopped'} how */
async function askDisk(base, home, life, how) {
  const id = life.said('box').at(-1)
  return id === undefined ? [] : diskFaults(join(home, 'boxes', id, 'disk.qcow2'), join(base, 'disk.raw'), how)
}
