// The file API before it reaches a box: every argument is checked before anything is done, and what is taken is taken as Node
// takes it.
import { getEventListeners, once } from 'node:events'
import { constants } from 'node:fs'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { createContext, runInContext } from 'node:vm'
import { beforeEach, describe, expect, it } from 'vitest'
import { BoxliteError, InvalidArgumentError } from '../../lib/errors.js'
import { FileHandle, makeFileHandle } from '../../lib/file-handle.js'
import { type FileSystem, makeFileSystem } from '../../lib/fs.js'
import { FakeFiles } from './fake-files.js'

let native: FakeFiles
let fs: FileSystem
let handle: FileHandle

beforeEach(() => {
  native = new FakeFiles()
  fs = makeFileSystem(native)
  handle = makeFileHandle(native.file)
})

const hostile = Object.defineProperty({}, 'encoding', {
  enumerable: true,
  get() {
    throw new Error('a getter that throws')
  },
})
const proxy = new Proxy(
  {},
  {
    get() {
      throw new Error('a proxy that throws')
    },
    ownKeys() {
      throw new Error('a proxy that throws')
    },
  },
)

/** What somebody may give by mistake for any parameter. */
const MISTAKES: [string, unknown][] = [
  ['undefined', undefined],
  ['null', null],
  ['NaN', Number.NaN],
  ['Infinity', Number.POSITIVE_INFINITY],
  ['a fraction', 1.5],
  ['a negative number', -7],
  ['a huge number', 2 ** 60],
  ['a bigint', 10n],
  ['a huge bigint', 2n ** 70n],
  ['true', true],
  ['an empty string', ''],
  ['a word', 'word'],
  ['a NUL', 'a\0b'],
  ['a symbol', Symbol('s')],
  ['a function', () => {}],
  ['an object', {}],
  ['an unknown option', { nope: 1 }],
  ['an array', []],
  ['a date that is none', new Date(Number.NaN)],
  ['a foreign URL', new URL('https://example.com/x')],
  ['a URL with an encoded slash', new URL('file:///a%2fb')],
  ['a getter that throws', hostile],
  ['a proxy that throws', proxy],
]

/** Each method with arguments that are right. */
const CALLS: [string, unknown[]][] = [
  ['readFile', ['/p', { encoding: 'utf8', flag: 'r', signal: new AbortController().signal }]],
  ['writeFile', ['/p', 'data', { encoding: 'utf8', mode: 0o600, flag: 'w', flush: true }]],
  ['appendFile', ['/p', 'data', { encoding: 'utf8' }]],
  ['open', ['/p', 'r', 0o600]],
  ['readdir', ['/p', { recursive: true, withFileTypes: true, encoding: 'buffer' }]],
  ['opendir', ['/p', { recursive: true, bufferSize: 5 }]],
  ['stat', ['/p', { bigint: true }]],
  ['lstat', ['/p', { bigint: false }]],
  ['statfs', ['/p', { bigint: true }]],
  ['access', ['/p', 4]],
  ['exists', ['/p']],
  ['mkdir', ['/p', { recursive: true, mode: '700' }]],
  ['mkdtemp', ['/p', 'utf8']],
  ['rmdir', ['/p', {}]],
  ['unlink', ['/p']],
  ['rm', ['/p', { recursive: true, force: true, maxRetries: 0, retryDelay: 1 }]],
  ['rename', ['/p', '/q']],
  ['copyFile', ['/p', '/q', 1]],
  ['symlink', ['/p', '/q', 'file']],
  ['readlink', ['/p', 'buffer']],
  ['realpath', ['/p', { encoding: 'hex' }]],
  ['link', ['/p', '/q']],
  ['chmod', ['/p', 0o755]],
  ['chown', ['/p', 1, -1]],
  ['lchown', ['/p', 1, 2]],
  ['utimes', ['/p', 1, new Date()]],
  ['lutimes', ['/p', '1.5', 2n]],
  ['truncate', ['/p', 5]],
  ['getxattr', ['/p', 'user.a', { follow: false }]],
  ['setxattr', ['/p', 'user.a', 'v', { flag: 'create' }]],
  ['listxattr', ['/p', {}]],
  ['removexattr', ['/p', 'user.a', {}]],
  ['createReadStream', ['/p', { start: 1, end: 5, highWaterMark: 3, flags: 'r', autoClose: true, emitClose: true }]],
  ['createWriteStream', ['/p', { start: 1, flags: 'w', mode: 0o600, flush: true }]],
  ['watch', ['/p', { recursive: true, encoding: 'utf8' }]],
  ['as', ['app']],
]

const HANDLE_CALLS: [string, unknown[]][] = [
  ['read', [Buffer.alloc(8), 1, 3, 5n]],
  ['readv', [[Buffer.alloc(2)], 3]],
  ['write', [Buffer.alloc(8), { offset: 1, length: 2, position: 3 }]],
  ['write', ['text', 3, 'utf8']],
  ['writev', [[Buffer.alloc(2)], null]],
  ['readFile', [{ encoding: 'utf8' }]],
  ['writeFile', ['data', { flush: true }]],
  ['appendFile', ['data', 'utf8']],
  ['stat', [{ bigint: true }]],
  ['truncate', [5]],
  ['chmod', ['644']],
  ['chown', [-1, -1]],
  ['utimes', [1, 2]],
  ['createReadStream', [{ start: 2 }]],
  ['createWriteStream', [{ start: 2 }]],
  ['readableWebStream', [{ autoClose: true }]],
]

/** What comes of a call: nothing wrong, or the error. What it has begun is ended. */
async function outcome(target: object, method: string, args: unknown[]): Promise<unknown> {
  try {
    const result = (target as Record<string, (...args: unknown[]) => unknown>)[method]?.(...args)
    if (method.endsWith('Stream') && 'destroy' in (result as object)) {
      ;(result as Readable).on('error', () => {}).destroy()
    }
    await result
    return undefined
  } catch (error) {
    return error
  }
}

function verdict(error: unknown, before: number): void {
  if (error === undefined) return
  if (error instanceof InvalidArgumentError) {
    expect(native.calls.length, 'calls of the box before the refusal').toBe(before)
    return
  }
  // What is said of a mode that no file system of a box has.
  expect(error).toBeInstanceOf(BoxliteError)
  expect((error as BoxliteError).code).toBe('ENOTSUP')
}

describe('arguments', () => {
  it.each(CALLS)('of %s that are right pass', async (method, args) => {
    expect(await outcome(fs, method, args)).toBe(undefined)
  })

  it.each(CALLS)('of %s that are wrong are refused before anything is done', async (method, args) => {
    for (let at = 0; at < args.length; at++) {
      for (const [name, mistake] of MISTAKES) {
        const given = args.map((value, i) => (i === at ? mistake : value))
        const before = native.calls.length
        const error = await outcome(fs, method, given)
        expect.soft(() => verdict(error, before), `argument ${at + 1}: ${name}`).not.toThrow()
      }
    }
  })

  it.each(CALLS.filter(([, args]) => typeof args.at(-1) === 'object'))('of %s: each option', async (method, args) => {
    const options = args.at(-1) as Record<string, unknown>
    for (const key of Object.keys(options)) {
      for (const [name, mistake] of MISTAKES) {
        const before = native.calls.length
        const error = await outcome(fs, method, [...args.slice(0, -1), { ...options, [key]: mistake }])
        expect.soft(() => verdict(error, before), `${key}: ${name}`).not.toThrow()
      }
    }
    const before = native.calls.length
    const error = await outcome(fs, method, [...args.slice(0, -1), { ...options, surprise: 1 }])
    expect(error).toBeInstanceOf(InvalidArgumentError)
    expect((error as Error).message).toContain('surprise')
    expect(native.calls.length).toBe(before)
  })

  it.each(HANDLE_CALLS)('of handle.%s', async (method, args) => {
    expect(await outcome(handle, method, args)).toBe(undefined)
    for (let at = 0; at < args.length; at++) {
      for (const [name, mistake] of MISTAKES) {
        const one = makeFileHandle(native.file)
        const before = native.calls.length
        const error = await outcome(
          one,
          method,
          args.map((value, i) => (i === at ? mistake : value)),
        )
        expect.soft(() => verdict(error, before), `argument ${at + 1}: ${name}`).not.toThrow()
      }
    }
  })

  it.each<[string, (fs: FileSystem, bad: never) => Promise<unknown>, unknown[]]>([
    ['data', (fs, bad) => fs.writeFile('/p', bad), [42, null, undefined, {}, true, Symbol('s'), () => {}]],
    ['modes', (fs, bad) => fs.chmod('/p', bad), [undefined, null, '9', 'x', '', -1, 1.5, Number.NaN, 2 ** 32, {}]],
    ['lengths', (fs, bad) => fs.truncate('/p', bad), [Number.NaN, 1.5, Number.POSITIVE_INFINITY, '5', null, 5n]],
    ['times', (fs, bad) => fs.utimes('/p', bad, 1), ['abc', '', undefined, null, Number.NaN, new Date(Number.NaN), {}]],
    ['owners', (fs, bad) => fs.chown('/p', bad, 1), [-2, 1.5, '0', undefined, 2 ** 32]],
    ['mkdir', (fs, bad) => fs.mkdir('/p', bad), ['9', true, { mode: 'x' }, { recursive: 1 }, { recursivee: true }]],
    [
      'paths',
      (fs, bad) => fs.stat(bad),
      [undefined, null, 1, {}, [], 'a\0b', Buffer.from('a\0b'), new URL('http://a/')],
    ],
  ])('%s that mean nothing are refused', async (_, call, values) => {
    for (const value of values) {
      await expect(call(fs, value as never), String(value)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' })
    }
    expect(native.calls).toEqual([])
  })

  it('are taken in the forms that Node takes', async () => {
    await fs.chmod('/p', '755')
    await fs.mkdir('/p', '700')
    await fs.truncate('/p', -5)
    await fs.utimes('/p', '1.5', new Date(2500))
    await fs.chown('/p', -1, 7)
    await fs.stat(new URL('file:///a%20b'))
    await fs.stat(new URL('file:///%ff'))
    await fs.stat(Buffer.from([0x2f, 0xff]))
    await fs.open('/p', undefined, null)
    expect(native.args).toEqual([
      ['/p', 0o755],
      ['/p', 0o700, false],
      ['/p', 0],
      ['/p', 1500, 2500, true],
      ['/p', 2 ** 32 - 1, 7, true],
      ['/a b', true, false],
      [Buffer.from([0x2f, 0xff]), true, false],
      [Buffer.from([0x2f, 0xff]), true, false],
      ['/p', 0, 0o666],
    ])
  })
})

describe('data', () => {
  it('that is small crosses once, and larger data as a stream of parts', async () => {
    await fs.writeFile('/p', 'small')
    expect(native.calls).toEqual(['writeFile'])
    await fs.writeFile('/p', Buffer.alloc(1_048_577))
    expect(native.calls).toEqual(['writeFile', 'write'])
    expect(native.written.map(({ length }) => length)).toEqual([5, 1_048_576, 1])
  })

  it('is bytes in every form, of every realm, and each comes as it is', async () => {
    const realm = createContext({})
    const forms: [unknown, string][] = [
      ['text', 'text'],
      [Buffer.from('buffer'), 'buffer'],
      [new Uint16Array([0x6568, 0x7879]), 'heyx'],
      [new DataView(new Uint8Array([0x61, 0x62]).buffer), 'ab'],
      [new Uint8Array([0x61]).buffer, 'a'],
      [runInContext('new Uint8Array([104, 105])', realm), 'hi'],
      [runInContext('new Uint16Array([0x6968])', realm), 'hi'],
      [['one', Buffer.from('two')], 'onetwo'],
      [Readable.from(['a', 'b']), 'ab'],
      [new Blob(['blob']), 'blob'],
    ]
    for (const [data, expected] of forms) {
      native.written = []
      await fs.writeFile('/p', data as string)
      expect(Buffer.concat(native.written).toString()).toBe(expected)
    }
  })

  it('of a source that gives something else is refused by name', async () => {
    await expect(fs.writeFile('/p', ['a', 42] as never)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' })
  })
})

describe('a stream that writes', () => {
  it('takes bytes in every form, and refuses a chunk that is none', async () => {
    const stream = fs.createWriteStream('/p')
    stream.write(new Uint16Array([0x6968]))
    stream.write(new Uint8Array([33]).buffer)
    expect(() => stream.write(42)).toThrow(InvalidArgumentError)
    expect(() => stream.end({})).toThrow(InvalidArgumentError)
    expect(() => stream.write('x', 'nope' as BufferEncoding)).toThrow(InvalidArgumentError)
    stream.end('.')
    await once(stream, 'close')
    expect(Buffer.concat(native.written).toString()).toBe('hi!.')
  })

  it('fails where objects are piped into it, and nothing is thrown at the program', async () => {
    await expect(pipeline(Readable.from([42]), fs.createWriteStream('/p'))).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
    })
    const stream = fs.createWriteStream('/p')
    Readable.from([{ a: 1 }]).pipe(stream)
    const [error] = await once(stream, 'error')
    expect(error).toMatchObject({ code: 'INVALID_ARGUMENT' })
  })
})

describe('a signal', () => {
  it('is heard at once, before the box has answered', async () => {
    const never = new Promise<void>(() => {})
    for (const hold of ['opening', 'pulling'] as const) {
      native[hold] = never
      const abort = new AbortController()
      const reading = fs.readFile('/p', { signal: abort.signal })
      await new Promise(setImmediate)
      abort.abort(new Error('enough'))
      await expect(reading).rejects.toMatchObject({ name: 'AbortError', code: 'ABORTED', cause: { message: 'enough' } })
      native[hold] = Promise.resolve()
    }
    expect(native.closed).toBe(1)
    native.opening = never
    const abort = new AbortController()
    const writing = fs.writeFile('/p', 'x', { signal: abort.signal })
    abort.abort()
    await expect(writing).rejects.toMatchObject({ code: 'ABORTED' })
  })

  it('ends a write whose source gives nothing', async () => {
    const abort = new AbortController()
    const source = new Readable({ read() {} })
    const writing = fs.writeFile('/p', source, { signal: abort.signal })
    await new Promise(setImmediate)
    abort.abort()
    await expect(writing).rejects.toMatchObject({ code: 'ABORTED' })
    expect(native.aborted).toBe(1)
    source.destroy()
  })

  it('that has aborted before is refused, by streams as their error', async () => {
    const signal = AbortSignal.abort()
    await expect(fs.readFile('/p', { signal })).rejects.toMatchObject({ code: 'ABORTED' })
    await expect(handle.writeFile('x', { signal })).rejects.toMatchObject({ code: 'ABORTED' })
    const streams = [fs.createReadStream('/p', { signal }), fs.createWriteStream('/p', { signal })]
    const errors = streams.map(stream => new Promise(resolve => stream.on('error', resolve)))
    for (const error of await Promise.all(errors)) expect(error).toMatchObject({ name: 'AbortError', code: 'ABORTED' })
    expect(native.calls).toEqual([])
  })

  it('that fifty calls share has one listener, and none afterwards', async () => {
    const { signal } = new AbortController()
    native.chunks = [Buffer.from('x')]
    const reading = Array.from({ length: 50 }, () => fs.readFile('/p', { signal }))
    await new Promise(setImmediate)
    expect(getEventListeners(signal, 'abort').length).toBeLessThanOrEqual(1)
    await Promise.all(reading)
    expect(getEventListeners(signal, 'abort')).toHaveLength(0)
  })
})

describe('what comes back', () => {
  it('of stat is whole in a copy', async () => {
    const stats = await fs.stat('/p')
    expect({ ...stats }).toMatchObject({ size: 3, atimeMs: 1.5, mtime: new Date(2000) })
    expect(JSON.parse(JSON.stringify(stats)).ctime).toBe('1970-01-01T00:00:03.000Z')
    const exact = await fs.stat('/p', { bigint: true })
    expect({ ...exact }).toMatchObject({ ino: 2n ** 60n, atimeNs: 1_500_001n, atimeMs: 1n, mode: 0o100644n })
    expect([stats.isFile(), exact.isFile(), exact.isDirectory()]).toEqual([true, true, false])
  })

  it('are calls that belong to their box', async () => {
    const { readFile, stat, createReadStream } = fs
    native.chunks = [Buffer.from('x')]
    expect(await readFile('/p', 'utf8')).toBe('x')
    expect((await stat('/p')).size).toBe(3)
    createReadStream('/p').destroy()
  })

  it('has Node’s constants', () => {
    const ours = fs.constants as Record<string, number>
    const theirs = constants as unknown as Record<string, number>
    for (const name of Object.keys(ours)) expect([name, ours[name]]).toEqual([name, theirs[name]])
  })
})

describe('a handle', () => {
  it('writes the part that its options say', async () => {
    await handle.write(Buffer.from('abcdef'), { offset: 1, length: 3, position: 7 })
    await handle.write(Buffer.from('abcdef'), 4, undefined, 9n)
    await handle.write('text', null, 'hex').catch(() => {})
    expect(native.args.map(([data, offset]) => [String(data), offset]).slice(0, 2)).toEqual([
      ['bcd', 7],
      ['ef', 9],
    ])
  })

  it('that is closed says so, by the call that was tried', async () => {
    await Promise.all([handle.close(), handle.close()])
    expect(native.calls).toEqual(['close'])
    for (const [method, syscall] of [
      ['read', 'read'],
      ['stat', 'fstat'],
      ['datasync', 'fdatasync'],
      ['appendFile', 'writeFile'],
    ]) {
      const error = await outcome(handle, method as string, [])
      expect(error).toMatchObject({ code: 'EBADF', syscall, message: 'file closed' })
    }
    expect(handle.fd).toBe(-1)
  })

  it('stands for its path in whole reads and writes', async () => {
    native.chunks = [Buffer.from('x')]
    expect(await fs.readFile(handle, 'utf8')).toBe('x')
    await fs.writeFile(handle, 'y')
    expect(native.calls).toEqual(['readFile', 'writeFile'])
    expect(native.args).toEqual([[2 ** 31 - 1], [Buffer.from('y'), false]])
    expect(handle).toBeInstanceOf(FileHandle)
  })
})
