// One round: a run of the host process, a kill, and the checks after it. Called by chaos.mjs.
import { join } from 'node:path'
import { Life } from './life.mjs'
import { diskFaults, GONE_MS, gone, leftovers, misjudged, tornFiles } from './oracle.mjs'
import { writeClean, writeSabotaged } from './saboteur.mjs'

/**
 * @typedef {object} Scene what the rounds share
 * @property {string} base @property {string} home @property {string} image
 * @property {'qemu' | 'krun'} engine
 * @property {import('./ledger.mjs').Ledger} ledger
 */
/** @typedef {{ faults: string[], killed: string, goneMs: number, lines: string[], lost: string | undefined }} Outcome */

/** @param {Scene} scene @param {import('./plan.mjs').Kill} kill @returns {Promise<Outcome>} */
export async function play(scene, kill) {
  const initramfs = join(scene.base, 'initramfs.cpio')
  writeClean(initramfs)
  const inside = kill.victim === 'agent' || kill.victim === 'zygote'
  // The host process puts it in place after it has started the boxes that must not be affected.
  const sabotaged = inside ? `${initramfs}.sabotaged` : undefined
  if (sabotaged) writeSabotaged(sabotaged, /** @type {'agent' | 'zygote'} */ (kill.victim), kill.delayMs)
  const life = begin(scene, { ...kill, sabotaged })
  try {
    return await judge(scene, life, await carryOut(life, kill), initramfs)
  } catch (error) {
    life.kill('all')
    throw error
  }
}

/**
 * Carries the kill out and returns what was killed. If the kill hit nothing, or a machine that was ending anyway, the box still runs,
 * and then the host process is killed.
 * @param {Life} life @param {import('./plan.mjs').Kill} kill
 */
async function carryOut(life, kill) {
  const killed = await killVictim(life, kill)
  if (!survivedBy(killed)) return killed
  await life.until(() => life.reports('lost').length + life.reports('missed').length > 0, 'the report of the loss')
  return life.reports('missed').length > 0 ? life.kill('host') : killed
}

/** Whether the host process still runs. @param {string} killed */
const survivedBy = killed => killed !== 'host' && killed !== 'all'

/**
 * Waits for a kill from inside the guest, or kills the victim after the delay of its phase.
 * @param {Life} life @param {import('./plan.mjs').Kill} kill
 */
async function killVictim(life, { phase, victim, delayMs }) {
  if (victim === 'agent' || victim === 'zygote') return victim
  await life.until(() => life.reports('phase').length > 0, `phase ${phase}`)
  await new Promise(resolve => setTimeout(resolve, delayMs))
  return life.kill(victim)
}

/**
 * Makes all checks.
 * @param {Scene} scene @param {Life} life @param {string} killed @param {string} initramfs @returns {Promise<Outcome>}
 */
async function judge({ base, home, ledger }, life, killed, initramfs) {
  const survives = survivedBy(killed)
  const faults = survives ? [] : await end(life)
  const lost = life.reports('lost')[0]
  faults.push(...misjudged(lost))
  for (const id of life.reports('box')) ledger.ids.add(id)
  const { tookMs, left } = await gone(home, ledger.ids)
  if (left.length > 0) faults.push(`after ${GONE_MS} ms there is still: ${left.join(', ')}`)
  faults.push(...tornFiles(home))
  faults.push(...(await checkDisk(base, home, life, 'killed')))
  if (survives) {
    writeClean(initramfs)
    life.resume()
    faults.push(...(await close(life, base, home)))
  }
  faults.push(...ledger.read(life.lines))
  return { faults, killed, goneMs: tookMs, lines: life.lines, lost }
}

/**
 * Plays a round without a kill: the box of the last round must start, be intact and stop.
 * @param {Scene} scene @returns {Promise<Outcome>}
 */
export async function finish(scene) {
  writeClean(join(scene.base, 'initramfs.cpio'))
  const life = begin(scene, { phase: 'none', fresh: false })
  const faults = await close(life, scene.base, scene.home)
  faults.push(...scene.ledger.read(life.lines))
  return { faults, killed: 'nobody', goneMs: 0, lines: life.lines, lost: undefined }
}

/** @param {Scene} scene @param {{ phase: import('./plan.mjs').Phase | 'none', fresh: boolean, sabotaged?: string | undefined }} order */
function begin({ base, home, image, engine }, { phase, fresh, sabotaged }) {
  const env = { ...process.env, TMPDIR: join(base, 'tmp'), BOXLITE_INITRAMFS: join(base, 'initramfs.cpio') }
  return new Life({ home, image, engine, phase, fresh, sabotaged }, env)
}

/** Waits for the exit of a killed host process and checks it. @param {Life} life */
async function end(life) {
  await life.until(() => life.ended !== undefined)
  return life.ended === 'SIGKILL' ? [] : [`the host process had ended with ${life.ended}: ${life.errors}`]
}

/** Waits for the regular exit of a host process and checks what is left. @param {Life} life @param {string} base @param {string} home */
async function close(life, base, home) {
  await life.until(() => life.ended !== undefined, 'the exit of the host process')
  const faults = life.lines.at(-1) === 'closed' ? [] : [`the host process ended with ${life.ended}: ${life.errors}`]
  const left = leftovers(home).map(file => `left behind: ${file}`)
  return [...faults, ...left, ...(await checkDisk(base, home, life, 'stopped'))]
}

/** @param {string} base @param {string} home @param {Life} life @param {'killed' | 'stopped'} how */
async function checkDisk(base, home, life, how) {
  const id = life.reports('box').at(-1)
  return id === undefined ? [] : diskFaults(join(home, 'boxes', id, 'disk.qcow2'), join(base, 'disk.raw'), how)
}
