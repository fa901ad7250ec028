// An execution's start, input, signals, abort and disposal.
import { getEventListeners } from 'node:events'
import { readFileSync } from 'node:fs'
import { Readable } from 'node:stream'
import { text } from 'node:stream/consumers'
import { pipeline } from 'node:stream/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { runInNewContext } from 'node:vm'
import { describe, expect, test } from 'vitest'
import type { NativeChunk } from '../../lib/binding.js'
import { BoxliteError, errorFrom } from '../../lib/errors.js'
import { makeExecution } from '../../lib/execution.js'
import { exit, type FakeExecution, out, quiet, run } from './fake.js'

const NOT_FOUND = { code: 'COMMAND_NOT_FOUND', message: 'exec `nope`', causes: [] }
const raise = (message: string): never => {
  throw new Error(message)
}
const webStream = (chunk: unknown) =>
  new ReadableStream({
    start(controller) {
      controller.enqueue(chunk)
      controller.close()
    },
  })
function* generator<T>(...chunks: T[]) {
  yield* chunks
}
function detached(): Uint8Array {
  const bytes = new Uint8Array(4)
  structuredClone(bytes.buffer, { transfer: [bytes.buffer] })
  return bytes
}
const unstartable = () => makeExecution(() => Promise.reject(errorFrom(NOT_FOUND)), {})

describe('start', () => {
  test('id and pid are known once it started', async () => {
    const { child } = run([[exit()]])
    expect([child.id, child.pid]).toEqual([undefined, undefined])
    await child.started
    expect([child.id, child.pid]).toEqual(['e1', 7])
  })

  test('a failure rejects started and wait()', async () => {
    const child = unstartable()
    await expect(child.started).rejects.toMatchObject({ code: 'COMMAND_NOT_FOUND' })
    await expect(child.wait()).rejects.toMatchObject({ code: 'COMMAND_NOT_FOUND' })
    await expect(child.kill()).rejects.toMatchObject({ code: 'COMMAND_NOT_FOUND' })
  })

  test('handling a failure in one place is enough', async () => {
    const waits = unstartable()
    waits.stdin.end('x')
    waits.stdout.on('data', () => {})
    await expect(waits.wait()).rejects.toBeInstanceOf(BoxliteError)

    const reads = unstartable()
    reads.stdin.end('x')
    reads.stderr.on('data', () => {})
    await expect(text(reads.stdout)).rejects.toMatchObject({ code: 'COMMAND_NOT_FOUND' })

    const iterates = unstartable()
    iterates.stdin.end('x')
    await expect(iterates[Symbol.asyncIterator]().next()).rejects.toMatchObject({ code: 'COMMAND_NOT_FOUND' })

    const later = unstartable()
    await quiet()
    await expect(later.wait()).rejects.toMatchObject({ code: 'COMMAND_NOT_FOUND' })
  })
})

describe('stdin', () => {
  test('writes, and ends', async () => {
    const { child, fake } = run([])
    child.stdin.write('a')
    child.stdin.end('b')
    await quiet()
    expect(Buffer.concat(fake.written).toString()).toBe('ab')
    expect(fake.stdinClosed).toBe(true)
    await child[Symbol.asyncDispose]()
  })

  test('a write completes only when there is room', async () => {
    const { child, fake } = run([])
    let open = () => {}
    fake.room = () =>
      new Promise(resolve => {
        open = resolve
      })
    let done = false
    child.stdin.write('a', () => {
      done = true
    })
    await quiet()
    expect(done).toBe(false)
    expect(child.stdin.write(Buffer.alloc(300_000))).toBe(false)
    open()
    await quiet()
    expect(done).toBe(true)
    await child[Symbol.asyncDispose]()
  })

  test('large writes go in messages of bounded size', async () => {
    const { child, fake } = run([])
    child.stdin.end(Buffer.alloc(1_000_000))
    await quiet()
    expect(Math.max(...fake.written.map(data => data.length))).toBeLessThanOrEqual(262_144)
    expect(Buffer.concat(fake.written)).toHaveLength(1_000_000)
    await child[Symbol.asyncDispose]()
  })

  test.each([
    ['a string', () => 'abc'],
    ['bytes', () => Buffer.from('abc')],
    ['a stream', () => Readable.from(['a', 'bc'])],
    ['an iterable', () => ['ab', Buffer.from('c')]],
    [
      'an async iterable',
      async function* () {
        yield 'a'
        await sleep(1)
        yield 'bc'
      },
    ],
  ])('is fed from %s', async (_, source) => {
    const { child, fake } = run([], { stdin: source() })
    await expect.poll(() => fake.stdinClosed).toBe(true)
    expect(Buffer.concat(fake.written).toString()).toBe('abc')
    await child[Symbol.asyncDispose]()
  })

  test('a source that fails ends the execution with its error', async () => {
    const source = (async function* () {
      yield 'a'
      throw new Error('source broke')
    })()
    const { child, fake } = run([], { stdin: source })
    await expect(child.wait()).rejects.toMatchObject({
      code: 'EXEC_INPUT_FAILED',
      message: expect.stringContaining('source broke'),
      cause: { message: 'source broke' },
    })
    await quiet()
    expect(fake.signals).toEqual([9])
  })

  test.each<[string, () => unknown]>([
    ['a stream that is destroyed', () => Readable.from(['a']).destroy()],
    ['a stream that is destroyed with an error', () => Readable.from(['a']).destroy(new Error('gone'))],
    ['an iterable that gives null', () => ['a', null]],
    ['an iterable that throws', () => ({ [Symbol.iterator]: () => ({ next: () => raise('no more') }) })],
    ['a web stream that errors', () => new ReadableStream({ start: controller => controller.error(new Error('web')) })],
  ])('%s is a failed source', async (_, source) => {
    const { child } = run([], { stdin: source() as never })
    await expect(child.wait()).rejects.toMatchObject({ code: 'EXEC_INPUT_FAILED' })
  })

  const realm = runInNewContext('({ Uint8Array, Float64Array, DataView, ArrayBuffer })')
  const numbers = new Uint16Array([0x6968, 0x216f])
  test.each<[string, () => unknown, string]>([
    ['Uint16Array', () => numbers, 'hio!'],
    ['DataView', () => new DataView(numbers.buffer, 1, 2), 'io'],
    ['ArrayBuffer', () => numbers.buffer, 'hio!'],
    ['SharedArrayBuffer', () => new SharedArrayBuffer(2), '\0\0'],
    ['Uint8Array of another realm', () => new realm.Uint8Array([104, 105]), 'hi'],
    ['DataView of another realm', () => new realm.DataView(new realm.ArrayBuffer(1)), '\0'],
  ])('%s is bytes wherever it is given', async (_, bytes, expected) => {
    const sources: (() => unknown)[] = [
      bytes,
      () => [bytes()],
      () => Readable.from([bytes()]),
      () => webStream(bytes()),
    ]
    for (const source of sources) {
      const { child, fake } = run([], { stdin: source() as never })
      while (!fake.stdinClosed) await quiet()
      expect(Buffer.concat(fake.written).toString()).toBe(expected)
      await child[Symbol.asyncDispose]()
    }
    const { child, fake } = run([])
    child.stdin.write(bytes())
    child.stdin.end(bytes())
    while (!fake.stdinClosed) await quiet()
    expect(Buffer.concat(fake.written).toString()).toBe(expected + expected)
    await child[Symbol.asyncDispose]()
  })

  const noBytes: [string, unknown][] = [
    ['a number', 42],
    ['an object', { length: 1 }],
    ['true', true],
    ['a Map', new Map()],
    ['memory that was transferred', detached()],
  ]
  test.each(noBytes)('a chunk that is %s is refused by name', async (_, chunk) => {
    for (const source of [[chunk], Readable.from(['a', chunk]), generator(chunk)]) {
      const { child, fake } = run([], { stdin: source as never })
      await expect(child.wait()).rejects.toMatchObject({
        code: 'INVALID_ARGUMENT',
        message: expect.stringContaining('execution.stdin'),
      })
      await quiet()
      expect(fake.signals).toEqual([9])
    }
    const { child, fake } = run([])
    for (const write of [() => child.stdin.write(chunk), () => child.stdin.end(chunk)]) {
      expect(write).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }))
    }
    // And it goes on.
    child.stdin.end('x')
    while (!fake.stdinClosed) await quiet()
    expect(Buffer.concat(fake.written).toString()).toBe('x')
    await child[Symbol.asyncDispose]()
  })

  test('an object that is piped in ends the execution and not the program', async () => {
    const { child, fake } = run([])
    Readable.from(['a', { b: 1 }]).pipe(child.stdin)
    await expect(child.wait()).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' })
    await quiet()
    expect(fake.signals).toEqual([9])
    const { child: other } = run([])
    await expect(pipeline(Readable.from([{ b: 1 }]), other.stdin)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' })
    await other[Symbol.asyncDispose]()
  })

  test('input that the box refuses is reported to each write, and is no uncaught error', async () => {
    const { child, fake } = run([])
    fake.write = async () => ({
      error: { code: 'EXEC_INPUT_CLOSED', message: 'no input', causes: [] },
    })
    const told = new Promise(resolve => child.stdin.write('x', resolve))
    expect(await told).toMatchObject({ code: 'EXEC_INPUT_CLOSED' })
    await child[Symbol.asyncDispose]()
  })

  test('an endless source stops when the process ends', async () => {
    let [pulls, over] = [0, false]
    let end = (_: NativeChunk[]) => {}
    const source = (async function* () {
      try {
        for (;;) {
          pulls += 1
          if (pulls === 10) end([exit()])
          yield 'x'
          await sleep(1)
        }
      } finally {
        over = true
      }
    })()
    const ended = new Promise<NativeChunk[]>(resolve => {
      end = resolve
    })
    const { child } = run([ended], { stdin: source })
    await child.wait()
    await expect.poll(() => over).toBe(true)
  })
})

describe('kill', () => {
  test.each([
    [undefined, 'SIGTERM'],
    ['SIGINT', 'SIGINT'],
    [9, 9],
    [0, 0],
    [64, 64],
  ])('%s is signal %s', async (signal, sent) => {
    const { child, fake } = run([])
    expect(await child.kill(signal)).toBe(true)
    expect(fake.signals).toEqual([sent])
    await child[Symbol.asyncDispose]()
  })

  test.each(['TERM', 'sigterm', '', -1, 65, 1.5, null])('%s is refused', async signal => {
    const { child } = run([[exit()]])
    await expect(child.kill(signal as never)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' })
  })

  test('the highest number is the same in Rust', async () => {
    const source = readFileSync(new URL('../../src/portal/exit_status.rs', import.meta.url), 'utf8')
    const last = Number(/LAST_SIGNAL: i32 = (\d+);/.exec(source)?.[1])
    const { child, fake } = run([])
    expect(await child.kill(last)).toBe(true)
    await expect(child.kill(last + 1)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' })
    expect(fake.signals).toEqual([last])
    await child[Symbol.asyncDispose]()
  })

  test('after the end it says false', async () => {
    const { child } = run([[exit()]])
    await child.wait()
    expect(await child.kill()).toBe(false)
  })
})

describe('abort', () => {
  test('rejects at once and kills', async () => {
    const controller = new AbortController()
    const { child, fake } = run([[out('a')]], { signal: controller.signal })
    const end = child.wait()
    await quiet()
    controller.abort(new Error('enough'))
    await expect(end).rejects.toMatchObject({ name: 'AbortError', code: 'ABORTED', cause: { message: 'enough' } })
    await quiet()
    expect(fake.signals).toEqual([9])
  })

  test('before the start nothing is started', async () => {
    let starts = 0
    const start = async () => {
      starts += 1
      return run([[exit()]]).fake
    }
    const child = makeExecution(start, { signal: AbortSignal.abort() })
    await expect(child.wait()).rejects.toMatchObject({ code: 'ABORTED' })
    expect(starts).toBe(0)
  })

  test('while it starts: rejects at once, and kills once it runs', async () => {
    const { fake } = run([])
    const controller = new AbortController()
    let begin = (_: FakeExecution) => {}
    const starting = new Promise<FakeExecution>(resolve => {
      begin = resolve
    })
    const child = makeExecution(() => starting, { signal: controller.signal })
    controller.abort()
    await expect(child.wait()).rejects.toMatchObject({ code: 'ABORTED' })
    expect(fake.signals).toEqual([])
    begin(fake)
    await quiet()
    expect(fake.signals).toEqual([9])
  })

  test('leaves no listener on the signal', async () => {
    const controller = new AbortController()
    const { child } = run([[exit()]], { signal: controller.signal })
    await child.wait()
    expect(getEventListeners(controller.signal, 'abort')).toHaveLength(0)
  })
})

describe('disposal', () => {
  test('kills what runs and waits for its end', async () => {
    const { child, fake } = run([[out('a')]])
    await child[Symbol.asyncDispose]()
    expect(fake.signals).toEqual([9])
  })

  test('of what has ended does nothing', async () => {
    const { child, fake } = run([[exit()]])
    await child.wait()
    await child[Symbol.asyncDispose]()
    expect(fake.signals).toEqual([])
  })

  test('of what never started does not reject', async () => {
    await unstartable()[Symbol.asyncDispose]()
  })
})

test.each([
  [0, 24],
  [80, 65_536],
  ['80', 24],
])('resize(%s, %s) is refused', async (cols, rows) => {
  const { child } = run([[exit()]])
  await expect(child.resize(cols as never, rows as never)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' })
})
