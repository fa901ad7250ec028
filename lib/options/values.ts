// Checks and forms that the options of several calls share.
import { types } from 'node:util'
import { type Check, integer, oneOf, text } from '../check.js'

const MAX_MS = 2 ** 31 - 1
/** The latest time of a Date, see ECMA-262. */
const LAST_DATE = 8.64e15
export const milliseconds = integer(0, MAX_MS, 'milliseconds')

export const user: Check = {
  expected: "'name', 'uid', 'name:group', 'uid:gid' or a uid",
  holds: value => text.holds(value) || integer(0, 2 ** 32 - 2).holds(value),
}

/** Of any realm: jsdom, Jest and `node:vm` have an AbortSignal of their own, so it is known by what is used of it. */
export const abortSignal: Check = {
  expected: 'an AbortSignal',
  holds: value => {
    const { aborted, addEventListener, removeEventListener } = (value ?? {}) as AbortSignal
    const methods = [addEventListener, removeEventListener]
    return typeof aborted === 'boolean' && methods.every(method => typeof method === 'function')
  },
}

/** Of a guest that is to come up. */
export const startTimeout = integer(1, 2_147_483_647, 'milliseconds')

export const pullPolicy = oneOf('missing', 'always', 'never')

/** A future time, as a Date or in milliseconds since 1970. */
export const futureTime: Check = {
  expected: 'a Date that is to come, or such a time in milliseconds since 1970',
  holds: value => {
    const ms = types.isDate(value) ? value.getTime() : value
    return Number.isInteger(ms) && (ms as number) > Date.now() && (ms as number) <= LAST_DATE
  },
}

/** Variables as the addon takes them. */
export function variables(env: Record<string, string | undefined> = {}): Record<string, string> {
  return Object.fromEntries(Object.entries(env).filter((pair): pair is [string, string] => pair[1] !== undefined))
}

/** The names of the variables that are `undefined`. */
export function unsetVariables(env: Record<string, string | undefined> = {}): string[] {
  return Object.keys(env).filter(name => env[name] === undefined)
}

/** A user as the addon takes it. */
export function userName(name: string | number | undefined): string | undefined {
  return name === undefined ? undefined : String(name)
}
