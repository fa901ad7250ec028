// Executions at their bounds, in a real box: hundreds at once, without end, out of memory, cut off in the middle, killed at any
// time. What must hold every time is exactness. Thousands in a row and long streams are the soak's (`__test__/soak`).
import { createHash } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import type { Box, Execution, Runtime } from '../../index.mjs'
import { failure } from '../support/failures.js'
import { useHomes } from '../support/homes.js'
import { Random } from '../support/random.js'
import { useRuntime } from '../support/runtime.js'

const homes = useHomes()
let runtime: Runtime
let image: string
let box: Box

useRuntime(homes, async made => {
  runtime = made.runtime
  image = made.image
  box = await runtime.create({ image })
  await box.start()
})

it('runs 200 commands at once, each with its own output and exit code', async () => {
  await box.exec('mkfifo', ['/tmp/gate'], { check: true })
  const waiting = Array.from({ length: 200 }, (_, i) =>
    box.exec('sh', ['-c', `read gate < /tmp/gate; echo ${i}; exit ${i % 256}`]),
  )
  // It opens when all wait at it, so they really run at once.
  await until(async () => ((await box.executions()).length === 200 ? true : undefined))
  await box.exec('sh', ['-c', 'yes | head -n 1000 > /tmp/gate'])
  for (const [i, result] of (await Promise.all(waiting)).entries()) {
    expect(result).toMatchObject({ exitCode: i % 256, stdout: `${i}\n` })
  }
})

describe('output without an end', () => {
  it('ends at maxBuffer, with what fitted', async () => {
    const error = await failure(box.exec('yes', [], { maxBuffer: 1_000_001 }), 'EXEC_MAX_BUFFER')
    expect((error as { stdout?: string }).stdout).toBe('y\n'.repeat(500_001).slice(0, 1_000_001))
    expect((await box.exec('pidof', ['yes'])).exitCode).toBe(1)
  })

  it('ends with the timeout', async () => {
    const child = box.spawn('yes', [], { timeoutMs: 700 })
    let length = 0
    for await (const chunk of child.stdout) length += chunk.length
    expect(await child.wait()).toMatchObject({ timedOut: true, signal: 'SIGTERM' })
    expect(length).toBeGreaterThan(0)
  })
})

it('reports that a process was ended for want of memory, and the box goes on', async () => {
  const small = await runtime.create({ image, memoryMib: 128 })
  // A line without an end, which tail keeps in memory.
  expect(await small.exec('sh', ['-c', 'exec tail /dev/zero'])).toMatchObject({ signal: 'SIGKILL', oomKilled: true })
  expect(await small.exec('sh', ['-c', 'kill -KILL $$'])).toMatchObject({ signal: 'SIGKILL', oomKilled: false })
  expect((await small.exec('echo', ['alive'])).stdout).toBe('alive\n')
  await small.remove({ force: true })
})

it('reports the number of the byte at which the connection was lost', async () => {
  const doomed = await runtime.create({ image })
  const child = doomed.spawn('sh', ['-c', 'yes | head -c 100000; sleep 600'])
  const { pid } = await until(async () => ((await doomed.info()).pid ? doomed.info() : undefined))
  let length = 0
  const reading = (async () => {
    for await (const chunk of child.stdout) {
      length += chunk.length
      if (length === 100_000) process.kill(Number(pid), 'SIGKILL')
    }
  })()
  await expect(reading).rejects.toMatchObject({ message: expect.stringMatching(/stdout 100000\b/) })
  await expect(child.wait()).rejects.toMatchObject({ name: expect.stringMatching(/PortalError|EngineError/) })
  await doomed.remove({ force: true })
})

async function until<T>(look: () => Promise<T | undefined>): Promise<T> {
  for (;;) {
    const seen = await look()
    if (seen !== undefined) return seen
    await new Promise(resolve => setTimeout(resolve, 50))
  }
}

const pause = (ms: number) => new Promise(resolve => setTimeout(resolve, ms))

/** What a seed's test sends. */
const text = (length: number) => Buffer.from(Array.from({ length }, (_, i) => (i * 31 + (i >> 8)) & 255))

/** Writes `data` in pieces and with pauses by chance; resolves with how much, also when the process takes no more. */
async function feed(child: Execution, data: Buffer, random: Random, longest: number): Promise<number> {
  let [sent, closed] = [0, false]
  child.stdin.once('close', () => {
    closed = true
  })
  child.stdin.on('error', () => {})
  while (sent < data.length && !closed) {
    const piece = data.subarray(sent, sent + 1 + random.below(longest))
    sent += piece.length
    if (!child.stdin.write(piece)) {
      await new Promise(resolve => child.stdin.once('drain', resolve).once('close', resolve))
    }
    if (random.below(8) === 0) await pause(random.below(12))
  }
  child.stdin.end()
  return sent
}

/** Reads to the end, with pauses by chance. */
async function read(child: Execution, random: Random) {
  const seen = { stdout: [] as Buffer[], stderr: [] as Buffer[] }
  for await (const event of child) {
    if (event.type === 'exit') break
    seen[event.type].push(event.data)
    if (random.below(8) === 0) await pause(random.below(12))
  }
  return { stdout: Buffer.concat(seen.stdout), stderr: Buffer.concat(seen.stderr) }
}

const digest = (data: Buffer) => createHash('sha256').update(data).digest('hex')
const seeds = (count: number) => Array.from({ length: count }, (_, seed) => seed)

it.each(seeds(6))('whatever the sizes and the pauses, what goes in comes out of both streams, seed %i', async seed => {
  const random = new Random(seed)
  // Tiny pieces only of a short text: each is a message.
  const longest = [7, 3_000, 200_000][seed % 3] as number
  const most = longest === 7 ? 4_000 : 400_000
  const data = text(random.below(most))
  const child = box.spawn('tee', ['/dev/stderr'])
  const [seen, sent] = await Promise.all([read(child, random), feed(child, data, random, longest)])
  expect(sent).toBe(data.length)
  expect([digest(seen.stdout), digest(seen.stderr)]).toEqual([digest(data), digest(data)])
})

it.each(seeds(6))('whenever it is killed, the first part comes out and nothing else, seed %i', async seed => {
  const random = new Random(100 + seed)
  const data = text(300_000)
  const child = box.spawn('tee', ['/dev/stderr'])
  await child.started
  const killing = pause(random.below(150)).then(() => child.kill('SIGKILL'))
  const [seen] = await Promise.all([read(child, random), feed(child, data, random, 20_000), killing])
  const { exitCode, signal } = await child.wait()
  // It may have been through before the blow.
  expect([
    [null, 'SIGKILL'],
    [0, null],
  ]).toContainEqual([exitCode, signal])
  for (const stream of ['stdout', 'stderr'] as const) {
    const got = seen[stream]
    expect(digest(got), `${got.length} bytes of ${stream}`).toBe(digest(data.subarray(0, got.length)))
  }
  expect((await box.exec('pidof', ['tee'])).exitCode).toBe(1)
})
