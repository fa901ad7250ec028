// Which boxes to list. Checked here for `runtime.ts`.
import type { FilterInput } from '../binding.js'
import { arrayOf, type Check, checkOptions, oneOf } from '../check.js'
import type { BoxState } from '../info.js'
import { boxLabels, boxName } from './box.js'

/** Which boxes to list: those that are all of this. */
export interface BoxFilter {
  /** In this state, or in one of these. Default: in any. */
  state?: BoxState | readonly BoxState[]
  /** With each of these labels, those of its image included. Default: with any. */
  labels?: Record<string, string>
  /** Of exactly this name. Default: of any, or none. */
  name?: string
}

const STATES: BoxState[] = ['created', 'starting', 'running', 'stopping', 'stopped', 'failed']

const one = oneOf(...STATES)

const state: Check = {
  expected: `${one.expected}, or an array of those`,
  holds: value => one.holds(value) || arrayOf(one, '').holds(value),
}

/** Checked options of `runtime.list`. */
export function filterInput(given: BoxFilter | undefined): FilterInput {
  const filter = checkOptions<BoxFilter>('runtime.list', given, { state, labels: boxLabels, name: boxName })
  const states = filter.state ?? []
  return {
    states: typeof states === 'string' ? [states] : [...states],
    labels: filter.labels,
    name: filter.name,
  }
}
