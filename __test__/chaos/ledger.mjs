// The record of what a home must still contain, from the reports of its host processes. Called by round.mjs.

export class Ledger {
  /** Every box that was ever reported; used to find processes. @type {Set<string>} */
  ids = new Set()
  /** The number of all acknowledged records. */
  acknowledged = 0
  /** The boxes that must exist. @type {Set<string>} */
  #boxes = new Set()
  /** The box with the workload. */
  #worker = ''
  /** The last acknowledged record of each writer. @type {Map<string, number>} */
  #last = new Map()

  /**
   * Reads what one host process reported, in order.
   * @param {string[]} lines
   * @returns {string[]} the contradictions to earlier reports
   */
  read(lines) {
    /** @type {string[]} */
    const faults = []
    for (const line of lines) {
      const [kind = '', ...fields] = line.split(' ')
      const [first = '', second = ''] = fields
      if (kind === 'bad') faults.push(line)
      if (kind === 'listed') faults.push(...this.#compare(fields))
      if (kind === 'intact') faults.push(...this.#compareRecords(first, Number(second)))
      if (kind === 'ack') this.#acknowledge(first, Number(second))
      if (kind === 'removing') this.#boxes.delete(first)
      if (kind === 'made' || kind === 'box') this.#add(kind, first)
    }
    return faults
  }

  /** @param {string} kind @param {string} id */
  #add(kind, id) {
    if (kind === 'box' && id !== this.#worker) {
      this.#worker = id
      this.#last.clear()
    }
    this.ids.add(id)
    this.#boxes.add(id)
  }

  /** @param {string[]} listed */
  #compare(listed) {
    for (const id of listed) this.ids.add(id)
    return [...this.#boxes].filter(id => !listed.includes(id)).map(id => `box ${id} is lost`)
  }

  /** @param {string} writer @param {number} intact */
  #compareRecords(writer, intact) {
    const last = this.#last.get(writer) ?? 0
    return intact >= last
      ? []
      : [`writer ${writer}: record ${last} was acknowledged, but only those up to ${intact} exist`]
  }

  /** @param {string} writer @param {number} number */
  #acknowledge(writer, number) {
    this.acknowledged++
    this.#last.set(writer, number)
  }
}
