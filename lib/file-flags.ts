// The flags of open(2), by Node's names for them and with Linux's numbers, which are the box's whatever the host is.
// Used by `fs.ts`, `file-handle.ts` and `file-streams.ts`.
import type { Check } from './check.js'

const [WRONLY, RDWR, CREAT, EXCL, TRUNC, APPEND, SYNC] = [0o1, 0o2, 0o100, 0o200, 0o1000, 0o2000, 0o4010000]

const FLAGS: Record<string, number> = {
  r: 0,
  rs: SYNC,
  'r+': RDWR,
  'rs+': RDWR | SYNC,
  w: WRONLY | CREAT | TRUNC,
  wx: WRONLY | CREAT | TRUNC | EXCL,
  'w+': RDWR | CREAT | TRUNC,
  'wx+': RDWR | CREAT | TRUNC | EXCL,
  a: WRONLY | CREAT | APPEND,
  ax: WRONLY | CREAT | APPEND | EXCL,
  as: WRONLY | CREAT | APPEND | SYNC,
  'a+': RDWR | CREAT | APPEND,
  'ax+': RDWR | CREAT | APPEND | EXCL,
  'as+': RDWR | CREAT | APPEND | SYNC,
}

/** How to open a file: one of Node's names, such as `'r'` and `'wx'`, or Linux's bits. */
export type OpenFlags = string | number

export const flags: Check = {
  expected: `Linux's bits or one of ${Object.keys(FLAGS).join(', ')}`,
  holds: value =>
    typeof value === 'number' ? Number.isInteger(value) && value >= 0 : Object.hasOwn(FLAGS, value as string),
}

/** The bits of checked flags. */
export const flagBits = (value: OpenFlags): number => (typeof value === 'number' ? value : (FLAGS[value] ?? 0))
