// Draws what each round kills, and when, from the seed alone, so that a seed repeats the plan of a run. How far a phase has come at the
// kill also depends on the machine. Called by chaos.mjs.

/**
 * @typedef {'creating' | 'starting' | 'running' | 'stopping' | 'restarting'} Phase what the host process is doing
 * @typedef {'host' | 'shim' | 'qemu' | 'agent' | 'zygote' | 'all'} Victim `agent` is the guest's PID 1 and `zygote` its
 *   child, killed from inside; `all` is host, shim and engine at once, as by SIGKILL to a group or by the OOM killer
 * @typedef {{ phase: Phase, victim: Victim, delayMs: number, fresh: boolean }} Kill `fresh` means on a new box
 */

/**
 * The longest delay after the start of the phase, in milliseconds: about as long as the phase takes under emulation.
 * @type {Record<Phase, number>}
 */
const DELAY_MAX = { creating: 40, starting: 2500, running: 1500, stopping: 250, restarting: 1800 }

/** The number of rounds with one box, so that every phase is tested with new and old disks. */
const ROUNDS_OF_BOX = 12

/**
 * @param {import('./random.mjs').Random} random @param {'qemu' | 'krun'} engine @param {number} round
 * @returns {Kill}
 */
export function draw(random, engine, round) {
  const fresh = round % ROUNDS_OF_BOX === 0
  // A new box is first started; later rounds use a box that was started before.
  const phase = random.pick(fresh ? FIRST : PHASES)
  return {
    phase,
    victim: random.pick(victims(phase, engine)),
    delayMs: random.between(0, DELAY_MAX[phase]),
    fresh,
  }
}

/** @type {[Phase, ...Phase[]]} */
const FIRST = ['starting', 'creating']
/** The longest phase is drawn most often. @type {[Phase, ...Phase[]]} */
const PHASES = ['running', 'running', 'running', 'starting', 'stopping', 'restarting', 'creating']

/** @param {Phase} phase @param {'qemu' | 'krun'} engine @returns {[Victim, ...Victim[]]} */
function victims(phase, engine) {
  if (phase === 'creating') return ['host']
  /** @type {[Victim, ...Victim[]]} */
  const list = ['host', 'shim', 'all', 'agent']
  if (engine === 'qemu') list.push('qemu')
  if (phase === 'running') list.push('zygote')
  return list
}
