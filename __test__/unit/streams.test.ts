// The edge between native output and Node streams: order, bounds, ends, errors.
import { once } from 'node:events'
import { text } from 'node:stream/consumers'
import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
import type { NativeChunk } from '../../lib/binding.js'
import type { ExecEvent } from '../../lib/output.js'
import { err, exit, killed, LOST, out, quiet, run } from './fake.js'

const MIB = 1_048_576
const BLOCK = Buffer.alloc(65_536, 'x')

function* blocks(count: number, chunk: (data: Uint8Array) => NativeChunk = out): Generator<NativeChunk[]> {
  for (let n = 0; n < count; n += 1) yield [chunk(BLOCK)]
  yield [exit()]
}

describe('events', () => {
  test('come in the order of the writes and end with exit', async () => {
    const { child } = run([[out('a'), err('b')], [out('c')], [err('d'), exit(3)]])
    const events: ExecEvent[] = []
    for await (const event of child) events.push(event)
    expect(events.map(event => (event.type === 'exit' ? event.exitCode : `${event.type} ${event.data}`))).toEqual([
      'stdout a',
      'stderr b',
      'stdout c',
      'stderr d',
      3,
    ])
  })

  test('keep their order when read only after they came', async () => {
    const { child } = run([[err('1'), out('2'), err('3'), exit()]])
    await quiet()
    const seen: string[] = []
    for await (const event of child) seen.push(event.type === 'exit' ? 'exit' : String(event.data))
    expect(seen).toEqual(['1', '2', '3', 'exit'])
  })

  test('a slow reader holds the process back, though somebody waits', async () => {
    const { child, fake } = run(blocks(100))
    const end = child.wait()
    let bytes = 0
    for await (const event of child) {
      if (event.type === 'exit') continue
      if (bytes === 0) {
        await quiet()
        expect(fake.pulled).toBeLessThanOrEqual(MIB + 2 * BLOCK.length)
      }
      bytes += event.data.length
    }
    expect(bytes).toBe(100 * BLOCK.length)
    await end
  })

  test('leaving the loop lets the process go on', async () => {
    const { child } = run(blocks(100))
    for await (const _ of child) break
    expect((await child.wait()).exitCode).toBe(0)
  })

  test('refuse a second reader', async () => {
    const { child } = run([[exit()]])
    child[Symbol.asyncIterator]()
    expect(() => child[Symbol.asyncIterator]()).toThrow(/being read already/)
  })
})

describe('back-pressure', () => {
  test('without a reader about 1 MiB is pulled and no more', async () => {
    const { fake } = run(blocks(1000))
    await quiet()
    await quiet()
    expect(fake.pulled).toBe(MIB)
  })

  test('a paused reader holds the process back and then gets every byte', async () => {
    const { child, fake } = run(blocks(200))
    let [bytes, pulled] = [0, 0]
    child.stdout.on('data', chunk => {
      bytes += chunk.length
      if (bytes === BLOCK.length) {
        child.stdout.pause()
        quiet().then(() => {
          pulled = fake.pulled
          child.stdout.resume()
        })
      }
    })
    await child.wait()
    expect(pulled).toBeGreaterThan(0)
    expect(pulled).toBeLessThanOrEqual(MIB + 3 * BLOCK.length)
    expect(bytes).toBe(200 * BLOCK.length)
  })

  test('random chunks, pauses and streams lose nothing', async () => {
    let seed = 1
    const random = (below: number) => {
      seed = (seed * 48_271) % 2_147_483_647
      return seed % below
    }
    const sent = { stdout: [] as Buffer[], stderr: [] as Buffer[] }
    const script = function* () {
      for (let n = 0; n < 300; n += 1) {
        const chunks = Array.from({ length: random(5) }, () => {
          const kind = random(2) ? 'stdout' : 'stderr'
          const data = Buffer.alloc(random(40_000), n)
          sent[kind].push(data)
          return { kind, data } as NativeChunk
        })
        yield chunks
      }
      yield [exit()]
    }
    const { child } = run(script())
    const read = async (stream: NodeJS.ReadableStream) => {
      const chunks: Buffer[] = []
      for await (const chunk of stream) {
        chunks.push(chunk as Buffer)
        if (random(10) === 0) await sleep(1)
      }
      return Buffer.concat(chunks)
    }
    const [stdout, stderr] = await Promise.all([read(child.stdout), read(child.stderr), child.wait()])
    expect(stdout.equals(Buffer.concat(sent.stdout))).toBe(true)
    expect(stderr.equals(Buffer.concat(sent.stderr))).toBe(true)
  })
})

describe('unread streams', () => {
  test('do not hold up wait()', async () => {
    const { child, fake } = run(blocks(100, err))
    expect((await child.wait()).exitCode).toBe(0)
    expect(fake.pulled).toBe(100 * BLOCK.length)
  })

  test('do not hold up the other stream', async () => {
    const script = function* () {
      for (let n = 0; n < 100; n += 1) yield [err(BLOCK), out('.')]
      yield [exit()]
    }
    const { child } = run(script())
    expect(await text(child.stdout)).toBe('.'.repeat(100))
  })

  test('can be read after the end', async () => {
    const { child } = run([[out('first'), err('second'), exit()]])
    await child.wait()
    expect(await text(child.stdout)).toBe('first')
    expect(await text(child.stderr)).toBe('second')
  })

  test('yield what was held and then an error, never a gap', async () => {
    const { child } = run(blocks(100))
    await child.wait()
    let bytes = 0
    const late = (async () => {
      for await (const chunk of child.stdout) bytes += chunk.length
    })()
    await expect(late).rejects.toMatchObject({ code: 'EXEC_MAX_BUFFER' })
    expect(bytes).toBe(MIB)
  })

  test('the same for events', async () => {
    const { child } = run(blocks(100))
    await child.wait()
    let bytes = 0
    const late = (async () => {
      for await (const event of child) if (event.type !== 'exit') bytes += event.data.length
    })()
    await expect(late).rejects.toMatchObject({ code: 'EXEC_MAX_BUFFER' })
    expect(bytes).toBe(MIB)
  })
})

describe('wait', () => {
  test('resolves after the readers have had everything', async () => {
    const { child } = run([[out('a')], [out('b'), exit()]])
    let seen = ''
    child.stdout.on('data', chunk => {
      seen += chunk
    })
    await child.wait()
    expect(seen).toBe('ab')
  })

  test('can be called again', async () => {
    const { child } = run([[exit(4)]])
    expect(await child.wait()).toEqual(await child.wait())
  })

  test('distinguishes a signal, a timeout and out of memory', async () => {
    const { child } = run([[killed('SIGKILL', { timedOut: true, oomKilled: true })]])
    expect(await child.wait()).toEqual({ exitCode: null, signal: 'SIGKILL', timedOut: true, oomKilled: true })
  })

  test('a destroyed stream holds nothing up', async () => {
    const { child } = run(blocks(100))
    child.stdout.destroy()
    expect((await child.wait()).exitCode).toBe(0)
  })
})

test('bytes of a character that is split over chunks become one character at the edge', async () => {
  const [a, b] = [Buffer.from('€').subarray(0, 1), Buffer.from('€').subarray(1)]
  const { child } = run([[out(a)], [out(b), exit()]])
  child.stdout.setEncoding('utf8')
  let seen = ''
  for await (const chunk of child.stdout) seen += chunk
  expect(seen).toBe('€')
})

test('a web stream of the output carries every byte', async () => {
  const { Readable } = await import('node:stream')
  const { child } = run(blocks(50))
  let bytes = 0
  for await (const chunk of Readable.toWeb(child.stdout)) bytes += (chunk as Uint8Array).length
  expect(bytes).toBe(50 * BLOCK.length)
})

describe('a connection lost in the middle', () => {
  test('is an error of the reader, after what came before', async () => {
    const { child } = run([[out('hello')], LOST])
    let seen = ''
    const reading = (async () => {
      for await (const chunk of child.stdout) seen += chunk
    })()
    await expect(reading).rejects.toMatchObject({ code: 'PORTAL_LOST', cause: { message: 'broken pipe' } })
    expect(seen).toBe('hello')
    await expect(child.wait()).rejects.toMatchObject({ code: 'PORTAL_LOST' })
  })

  test('also where the reader is slow', async () => {
    const script = [...Array.from({ length: 10 }, () => [out(BLOCK)]), LOST]
    const { child } = run(script)
    await quiet()
    let bytes = 0
    const reading = (async () => {
      for await (const chunk of child.stdout) {
        bytes += chunk.length
        await sleep(1)
      }
    })()
    await expect(reading).rejects.toMatchObject({ code: 'PORTAL_LOST' })
    expect(bytes).toBe(10 * BLOCK.length)
  })

  test('rejects the iterator of events', async () => {
    const { child } = run([[out('hello')], LOST])
    const events: ExecEvent[] = []
    const reading = (async () => {
      for await (const event of child) events.push(event)
    })()
    await expect(reading).rejects.toMatchObject({ code: 'PORTAL_LOST' })
    expect(events).toHaveLength(1)
  })

  test('does not crash a program that only waits', async () => {
    const { child } = run([[out('hello')], LOST])
    child.stdout.on('data', () => {})
    await expect(child.wait()).rejects.toMatchObject({ code: 'PORTAL_LOST' })
    await quiet()
  })

  test('also for a listener for errors alone', async () => {
    const { child } = run([[out('hello')], LOST])
    let seen = ''
    child.stdout.on('data', chunk => {
      seen += chunk
    })
    const [error] = await once(child.stdout, 'error-free').catch(error => [error])
    expect([seen, error.code]).toEqual(['hello', 'PORTAL_LOST'])
  })
})
