// Prints the results of a run as TAP: a line for each kill, and the totals as comments. Called by chaos.mjs.

export class Tally {
  failed = 0
  #count = 0
  #slowestMs = 0
  /** @type {Map<string, number>} */
  #by = new Map()
  #began = performance.now()

  /** @param {import('./plan.mjs').Kill} kill @param {import('./round.mjs').Outcome} outcome */
  count(kill, outcome) {
    for (const key of [outcome.killed, kill.phase]) this.#by.set(key, (this.#by.get(key) ?? 0) + 1)
    this.#slowestMs = Math.max(this.#slowestMs, outcome.goneMs)
    const when = `${kill.phase}${kill.fresh ? ' (a new box)' : ''}, ${kill.delayMs} ms`
    const lost = outcome.lost === undefined ? '' : `; reported as ${outcome.lost.split(' ').slice(0, 2).join(', ')}`
    this.#line(`${outcome.killed} while ${when}: gone in ${Math.round(outcome.goneMs)} ms${lost}`, outcome.faults)
  }

  /** @param {import('./round.mjs').Outcome} outcome */
  countFinish(outcome) {
    this.#line('after all kills the box starts, is intact and stops', outcome.faults)
  }

  /**
   * Prints the totals, and the command that repeats the run.
   * @param {number} acknowledged records of the last home @param {string} replay
   */
  sum(acknowledged, replay) {
    const by = [...this.#by].map(([key, count]) => `${key} ${count}`).join(', ')
    const took = Math.round((performance.now() - this.#began) / 1000)
    console.log(`1..${this.#count}`)
    console.log(
      `# killed: ${by}; ${acknowledged} records acknowledged; slowest end ${Math.round(this.#slowestMs)} ms; ${took} s`,
    )
    console.log(`# again: ${replay}`)
    console.log(`# ${this.#count - this.failed} passed, ${this.failed} failed, 0 skipped`)
  }

  /** @param {string} name @param {string[]} faults */
  #line(name, faults) {
    this.#count++
    if (faults.length > 0) this.failed++
    console.log(`${faults.length > 0 ? 'not ok' : 'ok'} ${this.#count} - ${name}`)
    for (const fault of faults) console.log(`#   ${fault.trimEnd().replaceAll('\n', '\n#   ')}`)
  }
}
