// Every parameter and option of the file calls, given everything that `values.ts` has: taken, or refused as `surface.test.ts` has it.
//
// What Node refuses for its kind or its range, ours must refuse too: each value is tried on Node's own call in an empty folder. The
// other way round ours may be stricter, and has to be for options that it does not have.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import * as host from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test, vi } from 'vitest'
import { calls as asked, edge } from './edge.js'
import { OWN, VALUES, type Value } from './values.js'

vi.mock('../../../lib/native.js', () => ({ native: () => ({ binding: edge, parts: '/parts' }), glibc: () => '2.36' }))
const { FileError, InvalidArgumentError, Runtime } = await import('../../../lib/index.js')

const folder = mkdtempSync(join(tmpdir(), 'boxlite-unit-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const runtime = await Runtime.open()
const box = await runtime.create({ image: 'a' })
const { fs } = box
type Method = (...given: unknown[]) => unknown
const ours = fs as unknown as Record<string, Method>
const nodes = host as unknown as Record<string, Method>

/** Not tried on Node: as a mode or as flags these end Node 20 itself, by an assertion. */
const FATAL: Value[] = ['2^31', 'minus zero']
const isTried = (value: Value) => !FATAL.includes(value) && !MORE.includes(value)

/** What ours take and Node's don't: options that are `undefined` or `null` are left out, data may be an ArrayBuffer, times bigints. */
const MORE: Value[] = ['undefined', 'null', 'array buffer', 'bigint', 'negative bigint']

/** Data in parts is read when the file is open, as in Node: a part that is neither text nor bytes is refused then. */
const LATE = /^refused after files?\.write,writer\.(finish|abort)$/

/** In `right`, a path; of Node's call one in a folder of its own. */
const PATH = Symbol('path')

interface FileCall {
  /** Arguments that are right. */
  right: unknown[]
  /** What the last argument may have, if it is options. */
  options?: string[]
  /** Whether a mistake is thrown, and not told by a promise. */
  throws?: boolean
}

const READ_STREAM = ['encoding', 'start', 'end', 'highWaterMark', 'signal', 'flags', 'autoClose', 'emitClose']
const CALLS: Record<string, FileCall> = {
  readFile: { right: [PATH], options: ['encoding', 'flag', 'signal'] },
  writeFile: { right: [PATH, 'x'], options: ['encoding', 'mode', 'flag', 'flush', 'signal'] },
  appendFile: { right: [PATH, 'x'], options: ['encoding', 'mode', 'flag', 'flush', 'signal'] },
  open: { right: [PATH, 'r', 0o600] },
  readdir: { right: [PATH], options: ['encoding', 'withFileTypes', 'recursive'] },
  opendir: { right: [PATH], options: ['encoding', 'bufferSize', 'recursive'] },
  stat: { right: [PATH], options: ['bigint'] },
  lstat: { right: [PATH], options: ['bigint'] },
  statfs: { right: [PATH], options: ['bigint'] },
  access: { right: [PATH, 0] },
  mkdir: { right: [PATH], options: ['recursive', 'mode'] },
  mkdtemp: { right: [PATH], options: ['encoding'] },
  rmdir: { right: [PATH] },
  unlink: { right: [PATH] },
  rm: { right: [PATH], options: ['recursive', 'force', 'maxRetries', 'retryDelay'] },
  rename: { right: [PATH, PATH] },
  copyFile: { right: [PATH, PATH, 0] },
  cp: { right: [PATH, PATH], options: ['recursive', 'force', 'errorOnExist', 'dereference', 'preserveTimestamps'] },
  symlink: { right: [PATH, PATH, 'file'] },
  readlink: { right: [PATH], options: ['encoding'] },
  realpath: { right: [PATH], options: ['encoding'] },
  link: { right: [PATH, PATH] },
  chmod: { right: [PATH, 0o600] },
  chown: { right: [PATH, 0, 0] },
  lchown: { right: [PATH, 0, 0] },
  utimes: { right: [PATH, 0, 0] },
  lutimes: { right: [PATH, 0, 0] },
  truncate: { right: [PATH, 0] },
  createReadStream: { right: [PATH], options: READ_STREAM, throws: true },
  createWriteStream: { right: [PATH], options: ['encoding', 'start', 'flags', 'mode', 'signal'], throws: true },
  watch: { right: [PATH], options: ['recursive', 'encoding', 'signal'], throws: true },
}

describe.each(Object.entries(CALLS))('fs.%s', (name, call) => {
  test.each(call.right.map((_, at) => at))('argument %i', async at => {
    await expectOutcomes(name, call, value => call.right.map((right, place) => (place === at ? value : right)))
  })
  if (call.options === undefined) return

  test.each(call.options)('option %s', async option => {
    await expectOutcomes(name, call, value => [...call.right, { [option]: value }])
    await expectOutcomes(name, call, value => [...call.right, Object.create({ [option]: value })])
  })

  test('the options themselves', async () => {
    await expectOutcomes(name, call, value => [...call.right, value])
  })

  test('an option that does not exist', async () => {
    expect(await outcome(name, call, [...call.right, { extraordinary: 1 }])).toBe('refused')
  })
})

const HANDLE: Record<string, unknown[]> = {
  read: [Buffer.alloc(4), 0, 4, 0],
  readv: [[Buffer.alloc(4)], 0],
  write: [Buffer.alloc(4), 0, 4, 0],
  writev: [[Buffer.alloc(4)], 0],
  readFile: ['utf8'],
  writeFile: ['x', 'utf8'],
  appendFile: ['x', 'utf8'],
  stat: [{}],
  truncate: [0],
  chmod: [0o600],
  chown: [0, 0],
  utimes: [0, 0],
}

test.each(Object.entries(HANDLE))('handle.%s', async (name, right) => {
  const handle = (await fs.open('/f', 'r+')) as unknown as Record<string, Method>
  const file = join(folder, 'handle')
  writeFileSync(file, 'text')
  const wrong: string[] = []
  for (const at of right.keys()) {
    for (const value of Object.keys(VALUES) as Value[]) {
      const given = () => right.map((other, place) => (place === at ? VALUES[value]() : other))
      const became = await judged(`handle.${name}`, () => handle[name]?.(...given()))
      if (!isFine(became)) wrong.push(`argument ${at}, ${value}: ${became}`)
      else if (became === 'taken' && isTried(value) && (await nodeRefuses(given, name)))
        wrong.push(`argument ${at}, ${value}: taken, which Node refuses`)
    }
  }
  expect(wrong).toEqual([])

  async function nodeRefuses(given: () => unknown[], method: string): Promise<boolean> {
    const theirs = await host.open(file, 'r+')
    try {
      return await refusedByNode(() => (theirs as unknown as Record<string, Method>)[method]?.(...given()))
    } finally {
      await theirs.close().catch(() => {})
    }
  }
})

const isFine = (became: string) => /^(taken|refused)$/.test(became) || LATE.test(became)

async function expectOutcomes(name: string, call: FileCall, given: (value: unknown) => unknown[]): Promise<void> {
  const wrong: string[] = []
  for (const value of Object.keys(VALUES) as Value[]) {
    const became = await outcome(name, call, given(VALUES[value]()))
    if (!isFine(became)) wrong.push(`${value}: ${became}`)
    else if (became === 'taken' && isTried(value) && (await refusedByNodes(name, given(VALUES[value]()))))
      wrong.push(`${value}: taken, which Node refuses`)
  }
  expect(wrong).toEqual([])
}

/** Node's own call, where it ends by itself and what stands for paths lies in our folder. */
async function refusedByNodes(name: string, given: unknown[]): Promise<boolean> {
  const method = nodes[name]
  const paths = CALLS[name]?.right.every((right, at) => right !== PATH || given[at] === PATH)
  if (method === undefined || name === 'watch' || !paths) return false
  const theirs = given.map((value, at) => (value === PATH ? join(folder, `${name}-${at}`) : value))
  return refusedByNode(() => method(...theirs))
}

async function refusedByNode(call: () => unknown): Promise<boolean> {
  try {
    const result = (await call()) as { close?(): unknown } | undefined
    await result?.close?.()
    return false
  } catch (error) {
    return /^ERR_(INVALID_ARG|OUT_OF_RANGE)/.test(String((error as { code?: unknown }).code))
  }
}

function outcome(name: string, call: FileCall, given: unknown[]): Promise<string> {
  return judged(`fs.${name}`, () => ours[name]?.(...given.map(value => (value === PATH ? '/p' : value))), call.throws)
}

/** What became of a call, or in words what is wrong with that. */
async function judged(operation: string, call: () => unknown, throws = false): Promise<string> {
  asked.length = 0
  let result: unknown
  try {
    result = call()
  } catch (error) {
    return throws ? refusal(operation, error) : `thrown and not rejected: ${error}`
  }
  try {
    await settle(result)
  } catch (error) {
    return `${error}`.includes(OWN) ? 'taken' : refusal(operation, error)
  }
  return 'taken'
}

function refusal(operation: string, error: unknown): string {
  // An errno that is told without asking the box, as of a name that is too long.
  if (error instanceof FileError) return asked.length === 0 ? 'refused' : `${error} after ${asked}`
  if (!(error instanceof InvalidArgumentError)) return `${error}`
  if (!error.message.startsWith(operation)) return `does not name the operation: ${error.message}`
  return asked.length === 0 ? 'refused' : `refused after ${asked}`
}

async function settle(result: unknown): Promise<void> {
  const value = (await result) as { next?(): unknown; return?(): unknown; destroy?(): unknown; on?: Method } | undefined
  if (typeof value?.destroy === 'function') {
    value.on?.('error', () => {})
    value.destroy()
  } else if (typeof value?.next === 'function') {
    await value.next()
    await value.return?.()
  }
}
