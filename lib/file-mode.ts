// Permissions, times, owners and positions in the forms that Node takes, each checked before anything is done. Called by
// `fs.ts`, `file-handle.ts` and `options/file-streams.ts`.
import { types } from 'node:util'
import { type Check, checkArgument, integer, refusedArgument } from './check.js'

/** Permissions: a number, or octal digits as in `'755'`. */
export type FileMode = number | string

/** A time: a Date, or seconds since the epoch as a number, a bigint or a string, as in Node. */
export type Time = Date | number | bigint | string

const MODE = "an integer from 0 to 4294967295 or a string of octal digits, such as '755'"
const MOST = 2 ** 32 - 1
/** What 64 bits of nanoseconds hold. */
const LATEST = 9_223_372_036_854
const TIME = 'a Date or seconds since the epoch, between the years 1678 and 2261'
const OCTAL = /^[0-7]+$/

/** Permissions that may be left out. */
export const mode: Check = { expected: MODE, holds: value => value === null || modeNumber(value) !== undefined }

/** Permissions as a number; `otherwise` is their default, if they may be left out. */
export function modeBits(operation: string, value: unknown, otherwise?: number): number {
  const bits = value === undefined || value === null ? otherwise : modeNumber(value)
  if (bits === undefined) throw refusedArgument(operation, 'mode', MODE, value)
  return bits
}

function modeNumber(value: unknown): number | undefined {
  const bits = typeof value === 'string' && OCTAL.test(value) ? Number.parseInt(value, 8) : value
  return Number.isInteger(bits) && (bits as number) >= 0 && (bits as number) <= MOST ? (bits as number) : undefined
}

/** Milliseconds since the epoch. */
export function timeMs(operation: string, name: string, time: unknown): number {
  const ms = milliseconds(time)
  if (Math.abs(ms) < LATEST) return ms
  throw refusedArgument(operation, name, TIME, time)
}

function milliseconds(time: unknown): number {
  if (types.isDate(time)) return Number(time)
  if (typeof time === 'number' || typeof time === 'bigint') return Number(time) * 1000
  return typeof time === 'string' && time.trim() !== '' ? Number(time) * 1000 : Number.NaN
}

const id = integer(-1, MOST)

/** A user or group; -1 leaves it as it is. */
export function ownerId(operation: string, name: string, value: unknown): number {
  checkArgument(operation, name, value, id)
  return value === -1 ? MOST : (value as number)
}

const POSITION = 'an integer from 0 to 9007199254740991, a bigint of that range, or null'

/** A position in a file; `undefined` is the current one, which Node takes as null and as -1 too. */
export function positionOf(operation: string, name: string, value: unknown): number | undefined {
  if (value === undefined || value === null || value === -1 || value === -1n) return undefined
  const position = typeof value === 'bigint' ? Number(value) : value
  if (Number.isSafeInteger(position) && (position as number) >= 0) return position as number
  throw refusedArgument(operation, name, POSITION, value)
}

const length: Check = {
  expected: 'an integer that is no larger than 9007199254740991',
  holds: value => Number.isSafeInteger(value),
}

/** The new length of a file. A negative one is 0, as in Node. */
export function fileLength(operation: string, value: unknown): number {
  checkArgument(operation, 'len', value, length)
  return Math.max(0, value as number)
}

/** The part of a buffer that is read or written. */
export function partOf(
  operation: string,
  size: number,
  offset: unknown,
  length: unknown,
): { from: number; length: number } {
  const from = offset ?? 0
  checkArgument(operation, 'offset', from, integer(0, size))
  const rest = size - (from as number)
  const wanted = length ?? rest
  checkArgument(operation, 'length', wanted, integer(0, rest))
  return { from: from as number, length: wanted as number }
}
