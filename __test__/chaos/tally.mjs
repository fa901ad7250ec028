// The result of a run as TAP: a line for each blow, and the sum of all as a comment. Called by chaos.mjs.

export class Tally {
  failed = 0
  #count = 0
  #slowestMs = 0
  /** @type {Map<string, number>} */
  #by = new Map()
  #began = performance.now()

  /** @param {import('./plan.mjs').Blow} blow @param {import('./round.mjs').Outcome} outcome */
  count(blow, outcome) {
    for (const key of [outcome.killed, blow.phase]) this.#by.set(key, (this.#by.get(key) ?? 0) + 1)
    this.#slowestMs = Math.max(this.#slowestMs, outcome.goneMs)
    const when = `${blow.phase}${blow.fresh ? ' (a new box)' : ''}, ${blow.delayMs} ms`
    const lost = outcome.lost === undefined ? '' : `; told as ${outcome.lost.split(' ').slice(0, 2).join(', ')}`
    this.#line(`${outcome.killed} while ${when}: gone in ${Math.round(outcome.goneMs)} ms${lost}`, outcome.faults)
  }

  /** @param {import('./round.mjs').Outcome} outcome */
  countRest(outcome) {
    this.#line('after all of them the box starts, is whole and stops', outcome.faults)
  }

  /** The last lines, with the command that plays all of it again. @param {number} acknowledged records of the last home @param {string} replay */
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
