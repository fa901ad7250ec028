// The flags of open(2), by Node's names for them and with Linux's numbers, which are the box's whatever the host is.
// Used by `fs.ts`, `file-handle.ts` and `options/file-streams.ts`.
import type { Check } from './check.js'
import { constants } from './file-constants.js'

const { O_WRONLY, O_RDWR, O_CREAT, O_EXCL, O_TRUNC, O_APPEND, O_SYNC } = constants
const WRITE = O_WRONLY | O_CREAT | O_TRUNC
const WRITE_AND_READ = O_RDWR | O_CREAT | O_TRUNC
const APPEND = O_WRONLY | O_CREAT | O_APPEND
const APPEND_AND_READ = O_RDWR | O_CREAT | O_APPEND

const FLAGS: Record<string, number> = {
  r: 0,
  rs: O_SYNC,
  sr: O_SYNC,
  'r+': O_RDWR,
  'rs+': O_RDWR | O_SYNC,
  'sr+': O_RDWR | O_SYNC,
  w: WRITE,
  wx: WRITE | O_EXCL,
  xw: WRITE | O_EXCL,
  'w+': WRITE_AND_READ,
  'wx+': WRITE_AND_READ | O_EXCL,
  'xw+': WRITE_AND_READ | O_EXCL,
  a: APPEND,
  ax: APPEND | O_EXCL,
  xa: APPEND | O_EXCL,
  as: APPEND | O_SYNC,
  sa: APPEND | O_SYNC,
  'a+': APPEND_AND_READ,
  'ax+': APPEND_AND_READ | O_EXCL,
  'xa+': APPEND_AND_READ | O_EXCL,
  'as+': APPEND_AND_READ | O_SYNC,
  'sa+': APPEND_AND_READ | O_SYNC,
}

/** How to open a file: one of Node's names, such as `'r'` and `'wx'`, or Linux's bits. */
export type OpenFlags = string | number

export const flags: Check = {
  expected: `Linux's bits or one of ${Object.keys(FLAGS).join(', ')}`,
  holds: value =>
    typeof value === 'number'
      ? Number.isInteger(value) && value >= 0 && value < 2 ** 31
      : typeof value === 'string' && Object.hasOwn(FLAGS, value),
}

/** The bits of checked flags. */
export const flagBits = (value: OpenFlags): number => (typeof value === 'number' ? value : (FLAGS[value] ?? 0))
