// What may be passed for an argument or an option, by mistake or on purpose; each is made anew for each call.

/** What such a value throws says this of itself. */
export const OWN = 'thrown by the value itself'

const fail = (): never => {
  throw new Error(OWN)
}

const traps = { get: fail, has: fail, ownKeys: fail, getPrototypeOf: fail, getOwnPropertyDescriptor: fail }

function revoked(): object {
  const { proxy, revoke } = Proxy.revocable({}, {})
  revoke()
  return proxy
}

function detached(): Uint8Array {
  const bytes = new Uint8Array(8)
  structuredClone(bytes.buffer, { transfer: [bytes.buffer] })
  return bytes
}

export const VALUES = {
  undefined: () => undefined,
  null: () => null,
  true: () => true,
  false: () => false,
  zero: () => 0,
  'minus zero': () => -0,
  one: () => 1,
  three: () => 3,
  'minus one': () => -1,
  'one half': () => 0.5,
  'one and a half': () => 1.5,
  NaN: () => Number.NaN,
  Infinity: () => Number.POSITIVE_INFINITY,
  '-Infinity': () => Number.NEGATIVE_INFINITY,
  '2^31': () => 2 ** 31,
  '2^32': () => 2 ** 32,
  '2^53': () => 2 ** 53,
  '-2^53': () => -(2 ** 53),
  '1e308': () => 1e308,
  bigint: () => 1n,
  'huge bigint': () => 2n ** 64n,
  'negative bigint': () => -1n,
  'empty string': () => '',
  word: () => 'word',
  digits: () => '755',
  'absolute path': () => '/word',
  'string with NUL': () => 'a\0b',
  'lone surrogate': () => '\ud800',
  'long string': () => 'x'.repeat(100_000),
  object: () => ({}),
  'object without prototype': () => Object.create(null),
  'object with a field': () => ({ extra: 1 }),
  'empty array': () => [],
  'array of a string': () => ['word'],
  'array of undefined': () => [undefined],
  'array of null': () => [null],
  'array of numbers': () => [1],
  'sparse array': () => new Array(2),
  symbol: () => Symbol('s'),
  function: () => () => {},
  date: () => new Date(0),
  'invalid date': () => new Date(Number.NaN),
  regexp: () => /x/,
  map: () => new Map([['cwd', '/']]),
  set: () => new Set(['word']),
  promise: () => Promise.resolve('word'),
  'rejected promise': () => {
    const promise = Promise.reject(new Error('rejected'))
    promise.catch(() => {})
    return promise
  },
  'boxed string': () => new String('word'),
  'boxed number': () => new Number(1),
  error: () => new Error('word'),
  buffer: () => Buffer.from('word'),
  'buffer without bytes': () => Buffer.alloc(0),
  'typed array': () => new Uint16Array([1]),
  'detached bytes': detached,
  'array buffer': () => new ArrayBuffer(2),
  signal: () => new AbortController().signal,
  'half a signal': () => ({ aborted: false }),
  generator: () => (function* () {})(),
  'proxy that throws': () => new Proxy({}, traps),
  'array proxy that throws': () => new Proxy([], { ...traps }),
  'function proxy that throws': () => new Proxy(() => {}, { ...traps, apply: fail }),
  'revoked proxy': revoked,
  'getter that throws': () => Object.defineProperty({}, 'extra', { enumerable: true, get: fail }),
  'conversion that throws': () => ({ toString: fail, valueOf: fail, toJSON: fail, [Symbol.toPrimitive]: fail }),
  'inspection that throws': () => ({ [Symbol.for('nodejs.util.inspect.custom')]: fail }),
  'tag that throws': () => Object.defineProperty({}, Symbol.toStringTag, { get: fail }),
  'iterable that throws': () => ({ [Symbol.iterator]: fail, [Symbol.asyncIterator]: fail }),
  'getter of iteration that throws': () => Object.defineProperty({}, Symbol.iterator, { get: fail, enumerable: true }),
}

export type Value = keyof typeof VALUES
