// Bytes in every form, of this realm and of others, and data that comes in parts.
import { Readable } from 'node:stream'
import { runInNewContext } from 'node:vm'
import { describe, expect, test } from 'vitest'
import { dataToBuffer, isBytes, toBuffer } from '../../lib/bytes.js'
import { type Chunks, chunksOf, isChunks } from '../../lib/chunks.js'
import { abortSignal } from '../../lib/options/values.js'

const foreign = (code: string) => runInNewContext(code)
const refusal = { name: 'InvalidArgumentError', code: 'INVALID_ARGUMENT' }
const hi = Buffer.from('hi')

const FORMS: [string, unknown, string][] = [
  ['a Buffer', Buffer.from('hi'), '6869'],
  ['a part of a Buffer', Buffer.from('xhiy').subarray(1, 3), '6869'],
  ['a Uint16Array', new Uint16Array([104, 105]), '68006900'],
  ['a part of a Uint16Array', new Uint16Array([1, 104, 105]).subarray(1), '68006900'],
  ['a Float64Array', new Float64Array([1]), '000000000000f03f'],
  ['a BigInt64Array', new BigInt64Array([1n]), '0100000000000000'],
  ['a DataView', new DataView(new Uint8Array([1, 104, 105, 2]).buffer, 1, 2), '6869'],
  ['an ArrayBuffer', new Uint8Array([104, 105]).buffer, '6869'],
  ['no bytes', new Uint8Array(0), ''],
  ['an empty ArrayBuffer', new ArrayBuffer(0), ''],
  ["another realm's Uint8Array", foreign('new Uint8Array([104, 105])'), '6869'],
  ["another realm's Uint16Array", foreign('new Uint16Array([1, 104, 105]).subarray(1)'), '68006900'],
  ["another realm's DataView", foreign('new DataView(new ArrayBuffer(2))'), '0000'],
  ["another realm's ArrayBuffer", foreign('new Uint8Array([104]).buffer'), '68'],
  ['shared memory', new SharedArrayBuffer(2), '0000'],
  ['a view of shared memory', new Uint8Array(new SharedArrayBuffer(4), 1, 2), '0000'],
]

test.each(FORMS)('%s is taken byte by byte', (_, value, hex) => {
  expect(isBytes(value)).toBe(true)
  expect(toBuffer('op', 'data', value).toString('hex')).toBe(hex)
})

test('nothing is copied, but for what other threads may write', () => {
  const own = new Uint16Array(2)
  expect(toBuffer('op', 'data', own).buffer).toBe(own.buffer)
  const shared = new Uint8Array(new SharedArrayBuffer(1))
  const copy = toBuffer('op', 'data', shared)
  shared[0] = 7
  expect(copy[0]).toBe(0)
})

test('a view that lies about itself is read by what it is', () => {
  class Liar extends Uint8Array {
    override get byteLength(): number {
      throw new Error('byteLength was asked for')
    }
    override get buffer(): ArrayBuffer {
      return new ArrayBuffer(1_000)
    }
  }
  expect(toBuffer('op', 'data', new Liar([104, 105])).toString()).toBe('hi')
})

function detached(kind: 'buffer' | 'view' | 'data'): unknown {
  const buffer = new ArrayBuffer(8)
  const value = kind === 'buffer' ? buffer : kind === 'view' ? new Uint8Array(buffer) : new DataView(buffer)
  structuredClone(buffer, { transfer: [buffer] })
  return value
}

const NO_BYTES: [string, unknown][] = [
  ...(['buffer', 'view', 'data'] as const).map((kind): [string, unknown] => [`a detached ${kind}`, detached(kind)]),
  ...[undefined, null, 0, Number.NaN, 1n, true, Symbol('s'), [104], {}, { length: 2 }, () => {}, new Date(0)].map(
    (value): [string, unknown] => [String(typeof value), value],
  ),
  ['a proxy of bytes', new Proxy(new Uint8Array(2), {})],
  ['a proxy that throws', throwing()],
]

test.each(NO_BYTES)('%s is refused by operation, argument and value', (_, value) => {
  expect(() => toBuffer('file.write', 'data', value)).toThrow(
    expect.objectContaining({
      ...refusal,
      message: expect.stringMatching(/^file\.write: argument `data`: expected a Buffer, TypedArray, DataView or Array/),
    }),
  )
})

test('text is encoded as the option says', () => {
  expect(dataToBuffer('op', 'data', 'é').toString('hex')).toBe('c3a9')
  expect(dataToBuffer('op', 'data', 'é', 'latin1').toString('hex')).toBe('e9')
  expect(() => dataToBuffer('op', 'data', 5)).toThrow(
    expect.objectContaining({
      message: 'op: argument `data`: expected a string, a Buffer, TypedArray, DataView or ArrayBuffer, got 5',
    }),
  )
})

describe('data in parts', () => {
  const web = (parts: unknown[]) =>
    new ReadableStream({
      start: controller => {
        for (const part of parts) controller.enqueue(part)
        controller.close()
      },
    })
  const readerOnly = (parts: unknown[]) => {
    const stream = web(parts)
    return { getReader: () => stream.getReader() }
  }
  const sources: [string, unknown][] = [
    ['an array', ['h', new Uint8Array([105])]],
    [
      'a generator',
      (function* () {
        yield 'hi'
      })(),
    ],
    [
      'an async generator',
      (async function* () {
        yield hi
      })(),
    ],
    ['a Readable', Readable.from([hi])],
    ['a Readable in object mode', Readable.from(['h', new DataView(new Uint8Array([105]).buffer)])],
    ['a web stream', web(['h', hi.subarray(1)])],
    ["a web stream of a realm where they can't be iterated", readerOnly([hi])],
    ['a Blob', new Blob(['hi'])],
    ["another realm's array", foreign('["h", new Uint8Array([105])]')],
  ]

  test.each(sources)('%s is read to its end', async (_, source) => {
    expect(isChunks(source)).toBe(true)
    const chunks: Buffer[] = []
    for await (const chunk of chunksOf('op', 'data', source as Chunks)) chunks.push(chunk)
    expect(Buffer.concat(chunks).toString()).toBe('hi')
  })

  test.each([5, null, {}, undefined, [1]])('a part that is %o is refused', async part => {
    const given = async () => {
      for await (const chunk of chunksOf('op', 'data', [hi, part] as never)) expect(chunk).toEqual(hi)
    }
    await expect(given()).rejects.toMatchObject({
      ...refusal,
      message: expect.stringContaining('op: argument `data: chunk`: expected a string, a Buffer'),
    })
  })

  test('a source that is left early is closed', async () => {
    let cancelled = false
    const endless = {
      getReader: () => ({
        read: async () => ({ done: false, value: 'x' }),
        cancel: async () => {
          cancelled = true
        },
      }),
    }
    for await (const _ of chunksOf('op', 'data', endless as never)) break
    expect(cancelled).toBe(true)
  })

  test.each(['text', hi, 5, null, undefined, {}, new String('x').length])('%o comes in no parts', value => {
    expect(isChunks(value)).toBe(false)
  })
})

test('an AbortSignal of another realm is one, by what it can do', () => {
  const other = { aborted: false, addEventListener() {}, removeEventListener() {} }
  expect([
    abortSignal.holds(other),
    abortSignal.holds(AbortSignal.abort()),
    abortSignal.holds({ aborted: false }),
  ]).toEqual([true, true, false])
})

function throwing(): unknown {
  const fail = () => {
    throw new Error('a trap was asked')
  }
  return new Proxy({}, { get: fail, has: fail, ownKeys: fail, getPrototypeOf: fail, getOwnPropertyDescriptor: fail })
}
