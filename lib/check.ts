// Checks of options: each says what it expects, so that a wrong option is refused by name, value and expectation, and one
// that does not exist is refused too. The shapes themselves are in `options/`.
import { inspect, types } from 'node:util'
import { InvalidArgumentError } from './errors.js'

/** What is expected of a value, and whether a value is that. */
export interface Check {
  expected: string
  holds(value: unknown): boolean
  /** Its value is never shown. */
  secret?: boolean
  /** What to show of a wrong value, where that is not all of it. */
  shown?(value: unknown): string
}

/** One check for each option of `T`. */
export type Shape<T> = { [K in keyof Required<T>]: Check }

/**
 * The options that were given, each read once and checked. Throws an `INVALID_ARGUMENT` unless `options` fits `shape`; `undefined`
 * means an option left out, which those of `required` can't be. Inherited options count too, since a caller's class may hold its defaults so.
 */
export function checkOptions<T>(
  operation: string,
  options: unknown,
  shape: Shape<T>,
  ...required: (keyof T & string)[]
): T {
  const taken: Record<string, unknown> = {}
  if (options === undefined && required.length === 0) return taken as T
  const plain = isPlain(options)
  if (!plain) checkArgument(operation, 'options', options, object)
  const given = options as Record<string, unknown>
  let name = 'options'
  try {
    const names = Object.keys(given)
    for (name of names) if (!Object.hasOwn(shape, name)) throw unknown(operation, name, Object.keys(shape))
    for (name of plain ? names : Object.keys(shape)) {
      const check: Check = shape[name as keyof T]
      const value = given[name]
      if (value === undefined) continue
      if (!passes(check, value)) throw refused(operation, 'option', name, check, value)
      taken[name] = value
    }
  } catch (cause) {
    if (cause instanceof InvalidArgumentError) throw cause
    // What a getter or a proxy of the caller throws.
    throw new InvalidArgumentError(`${operation}: \`${name}\` can't be read: it throws`, { cause })
  }
  for (const missing of required) {
    if (taken[missing] === undefined) throw refused(operation, 'option', missing, shape[missing], undefined)
  }
  return taken as T
}

/** Most options are: an object that inherits nothing, and is none of the many things that are no options. */
function isPlain(value: unknown): boolean {
  try {
    return typeof value === 'object' && value !== null && Object.getPrototypeOf(value) === Object.prototype
  } catch {
    // A proxy that throws.
    return false
  }
}

/** Throws an `INVALID_ARGUMENT` unless `value` passes. */
export function checkArgument(operation: string, name: string, value: unknown, check: Check): void {
  if (!passes(check, value)) throw refused(operation, 'argument', name, check, value)
}

/** An `INVALID_ARGUMENT` for an argument that was found wrong elsewhere. */
export function refusedArgument(
  operation: string,
  name: string,
  expected: string,
  value: unknown,
): InvalidArgumentError {
  return refused(operation, 'argument', name, { expected, holds: () => false }, value)
}

/** A value that can't be read, such as an object whose getters throw, does not pass. */
export function passes(check: Check, value: unknown): boolean {
  try {
    return check.holds(value)
  } catch {
    return false
  }
}

function refused(operation: string, kind: string, name: string, check: Check, value: unknown): InvalidArgumentError {
  const got = check.secret ? 'something else' : shownBy(check, value)
  return new InvalidArgumentError(`${operation}: ${kind} \`${name}\`: expected ${check.expected}, got ${got}`)
}

function unknown(operation: string, name: string, known: string[]): InvalidArgumentError {
  const plain = (text: string) => text.toLowerCase().replace(/[^a-z]/g, '')
  const wanted = plain(name)
  const near = known.find(other => plain(other).startsWith(wanted) || wanted.startsWith(plain(other)))
  const hint =
    near && wanted !== '' ? `did you mean \`${near}\`?` : `the options are ${known.map(n => `\`${n}\``).join(', ')}`
  return new InvalidArgumentError(`${operation}: option \`${name}\`: unknown`, { hint })
}

function shownBy(check: Check, value: unknown): string {
  try {
    return check.shown?.(value) ?? shown(value)
  } catch {
    return shown(value)
  }
}

/** Formats a value for messages without calling the caller's code, so it never fails. */
export function shown(value: unknown): string {
  const options = { depth: 1, breakLength: Number.POSITIVE_INFINITY, maxStringLength: 60, maxArrayLength: 4 }
  try {
    return inspect(value, { ...options, customInspect: false })
  } catch {
    return typeof value === 'function' ? 'a function' : 'an object that can not be shown'
  }
}

const isString = (value: unknown): value is string => typeof value === 'string'
const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value) && !isOtherwiseUsed(value)

/** Objects that hold something other than named values: taken for options, what they hold would be ignored in silence. */
function isOtherwiseUsed(value: object): boolean {
  const { isMap, isSet, isDate, isRegExp, isPromise, isBoxedPrimitive, isAnyArrayBuffer } = types
  const kinds = [isMap, isSet, isDate, isRegExp, isPromise, isBoxedPrimitive, isAnyArrayBuffer, ArrayBuffer.isView]
  return kinds.some(is => is(value))
}

export const object: Check = { expected: 'an object', holds: isObject }

export const boolean: Check = { expected: 'true or false', holds: value => typeof value === 'boolean' }

/** A string that C can hold: not empty and without NUL. */
export const text: Check = {
  expected: 'a string that is not empty and has no NUL byte',
  holds: value => isString(value) && value !== '' && !value.includes('\0'),
}

/** As `text`, but it may be empty. */
export const word: Check = {
  expected: 'a string without NUL byte',
  holds: value => isString(value) && !value.includes('\0'),
}

export const absolutePath: Check = {
  expected: "an absolute path, such as '/tmp'",
  holds: value => text.holds(value) && isString(value) && value.startsWith('/'),
}

export function integer(min: number, max: number, unit = ''): Check {
  return {
    expected: `an integer from ${min} to ${max}${unit && ` (${unit})`}`,
    holds: value => Number.isInteger(value) && (value as number) >= min && (value as number) <= max,
  }
}

export function number(min: number, max: number, unit = ''): Check {
  return {
    expected: `a number from ${min} to ${max}${unit && ` (${unit})`}`,
    holds: value => typeof value === 'number' && value >= min && value <= max,
  }
}

export function oneOf(...values: string[]): Check {
  return {
    expected: values.map(value => `'${value}'`).join(' or '),
    holds: value => isString(value) && values.includes(value),
  }
}

export function matching(pattern: RegExp, expected: string): Check {
  return { expected, holds: value => isString(value) && pattern.test(value) }
}

export function arrayOf(check: Check, what: string): Check {
  return {
    expected: `an array of ${what}`,
    holds(value) {
      if (!Array.isArray(value)) return false
      // Not by `every`, which skips the holes of a sparse array.
      for (let at = 0; at < value.length; at += 1) if (!check.holds(value[at])) return false
      return true
    },
  }
}

/** Names and values as the environment of a process takes them; `undefined` is none. */
export const environment: Check = {
  expected: 'an object of strings, whose names are not empty and have no `=`, and no NUL byte anywhere',
  holds: value => isObject(value) && Object.entries(value).every(isVariable),
  // By name: the other variables may be secrets.
  shown: value => {
    if (!isObject(value)) return shown(value)
    const [name, item] = Object.entries(value).find(pair => !isVariable(pair)) ?? []
    return `${shown(name)}, which is ${typeof item === 'string' ? 'a string' : shown(item)}`
  },
}

function isVariable([name, item]: [string, unknown]): boolean {
  return text.holds(name) && !name.includes('=') && (item === undefined || word.holds(item))
}
