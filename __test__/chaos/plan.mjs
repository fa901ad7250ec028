// What each round kills, and when: drawn from the seed alone, so that a seed repeats the plan of a run. How far a phase has
// come when the blow falls depends on the machine too. Called by chaos.mjs.

/**
 * @typedef {'creating' | 'starting' | 'running' | 'stopping' | 'restarting'} Phase what the host process is doing
 * @typedef {'host' | 'shim' | 'qemu' | 'agent' | 'zygote' | 'all'} Victim `agent` is the guest's PID 1 and `zygote` its
 *   child, killed from inside; `all` is host, shim and engine in one blow, as a group's SIGKILL or the OOM killer does it
 * @typedef {{ phase: Phase, victim: Victim, delayMs: number, fresh: boolean }} Blow `fresh`: on a box of its own
 */

/** Longest delay after the phase began, in milliseconds: about what the phase takes under emulation. @type {Record<Phase, number>} */
const LASTS = { creating: 40, starting: 2500, running: 1500, stopping: 250, restarting: 1800 }

/** Rounds that one box lives through, so that every part of a life is met by young and old disks. */
const LIFE = 12

/**
 * @param {import('./random.mjs').Random} random @param {'qemu' | 'krun'} engine @param {number} round
 * @returns {Blow}
 */
export function draw(random, engine, round) {
  const fresh = round % LIFE === 0
  // A fresh box has its first start; later rounds meet a box with a past.
  const phase = random.pick(fresh ? FIRST : PHASES)
  return {
    phase,
    victim: random.pick(victims(phase, engine)),
    delayMs: random.between(0, LASTS[phase]),
    fresh,
  }
}

/** @type {[Phase, ...Phase[]]} */
const FIRST = ['starting', 'creating']
/** The rarer phases are the shorter ones. @type {[Phase, ...Phase[]]} */
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
