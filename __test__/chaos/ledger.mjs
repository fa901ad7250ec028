// What a home must still hold, by what its host processes said before they died. Called by chaos.mjs.

export class Ledger {
  /** Every box that was ever told of; for finding processes. @type {Set<string>} */
  ids = new Set()
  /** Records acknowledged over all. */
  acknowledged = 0
  /** Boxes that must be there. @type {Set<string>} */
  #boxes = new Set()
  /** The box whose records these are. */
  #worker = ''
  /** The last record that each writer had acknowledged. @type {Map<string, number>} */
  #last = new Map()

  /**
   * Takes in what one life said, in order.
   * @param {string[]} lines
   * @returns {string[]} what contradicts what was said before
   */
  read(lines) {
    /** @type {string[]} */
    const faults = []
    for (const line of lines) {
      const [kind = '', ...words] = line.split(' ')
      const [first = '', second = ''] = words
      if (kind === 'bad') faults.push(line)
      if (kind === 'listed') faults.push(...this.#compare(words))
      if (kind === 'kept') faults.push(...this.#compareRecords(first, Number(second)))
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

  /** @param {string} writer @param {number} kept */
  #compareRecords(writer, kept) {
    const last = this.#last.get(writer) ?? 0
    return kept >= last
      ? []
      : [`writer ${writer}: record ${last} was acknowledged, and ${kept} is the last that is there`]
  }

  /** @param {string} writer @param {number} number */
  #acknowledge(writer, number) {
    this.acknowledged++
    this.#last.set(writer, number)
  }
}
