// Executions at their bounds, in a real box: as many as hundreds, as large as hundreds of megabytes, without end, out of memory,
// cut off in the middle. What must hold every time is exactness, and bounds on both sides.
import { createHash, randomBytes } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { Readable } from 'node:stream'
import { beforeAll, describe, expect, it } from 'vitest'
import type { Box, Runtime } from '../../index.mjs'
import { failure } from '../support/failures.js'
import { useHomes } from '../support/homes.js'
import { layout } from '../support/images.js'
import { Random } from '../support/random.js'

const homes = useHomes()
let runtime: Runtime
let image: string
let box: Box

beforeAll(async () => {
  runtime = await homes.open()
  image = await layout(homes)
  box = await runtime.create({ image })
  await box.start()
})

/** MiB of this process that are in memory. */
const resident = () => process.memoryUsage.rss() / 1_048_576

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

describe('a stream of 256 MB', () => {
  const size = 256 << 20

  it('comes out byte for byte, and costs the host little', async () => {
    const before = resident()
    let most = before
    const block = randomBytes(1 << 20)
    await box.fs.writeFile('/tmp/block', block)
    const child = box.spawn('sh', ['-c', 'i=0; while [ $i -lt 256 ]; do cat /tmp/block; i=$((i + 1)); done'])
    const [seen, wanted] = [createHash('sha256'), createHash('sha256')]
    let length = 0
    for await (const chunk of child.stdout) {
      seen.update(chunk)
      length += chunk.length
      most = Math.max(most, resident())
    }
    expect(await child.wait()).toMatchObject({ exitCode: 0 })
    for (let i = 0; i < 256; i++) wanted.update(block)
    expect([length, seen.digest('hex')]).toEqual([size, wanted.digest('hex')])
    expect(most - before, 'MiB more in memory').toBeLessThan(96)
  })

  it('goes in byte for byte, and costs the host little', async () => {
    const before = resident()
    let most = before
    const wanted = createHash('sha256')
    const block = Buffer.alloc(1 << 20, 'abcdefghijklmno')
    const parts = function* () {
      for (let i = 0; i < 256; i++) {
        block.writeUInt32LE(i)
        wanted.update(block)
        most = Math.max(most, resident())
        yield Buffer.from(block)
      }
    }
    const { stdout } = await box.exec('sha256sum', [], { stdin: Readable.from(parts()), check: true })
    expect(stdout.slice(0, 64)).toBe(wanted.digest('hex'))
    expect(most - before, 'MiB more in memory').toBeLessThan(96)
  })
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

it('tells that a process was ended for want of memory, and the box goes on', async () => {
  const small = await runtime.create({ image, memoryMib: 128 })
  // A line without an end, which tail keeps in memory.
  expect(await small.exec('sh', ['-c', 'exec tail /dev/zero'])).toMatchObject({ signal: 'SIGKILL', oomKilled: true })
  expect(await small.exec('sh', ['-c', 'kill -KILL $$'])).toMatchObject({ signal: 'SIGKILL', oomKilled: false })
  expect((await small.exec('echo', ['alive'])).stdout).toBe('alive\n')
  await small.remove({ force: true })
})

it('tells the byte that it got to when the connection is lost', async () => {
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

it.each(Array.from({ length: 8 }, (_, seed) => seed))('whatever the sizes and the pauses, seed %i', async seed => {
  const random = new Random(seed)
  const data = Buffer.from(Array.from({ length: random.below(400_000) }, (_, i) => (i * 31 + (i >> 8)) & 255))
  const child = box.spawn('tee', ['/dev/stderr'])
  let sent = 0
  const feeding = (async () => {
    for (let at = 0; at < data.length; ) {
      const piece = data.subarray(at, at + 1 + random.below([7, 3_000, 200_000][seed % 3] as number))
      if (!child.stdin.write(piece)) await new Promise(resolve => child.stdin.once('drain', resolve))
      at += seed % 3 === 0 && at > 2_000 ? data.length : piece.length
      if (random.below(8) === 0) await new Promise(resolve => setTimeout(resolve, random.below(12)))
      sent = Math.min(at, data.length)
      if (seed % 3 === 0 && at > 2_000) break
    }
    child.stdin.end()
  })()
  const seen = { stdout: [] as Buffer[], stderr: [] as Buffer[] }
  for await (const event of child) {
    if (event.type === 'exit') break
    seen[event.type].push(event.data)
    if (random.below(8) === 0) await new Promise(resolve => setTimeout(resolve, random.below(12)))
  }
  await feeding
  for (const stream of ['stdout', 'stderr'] as const) {
    expect(Buffer.concat(seen[stream]).equals(data.subarray(0, sent)), `${stream} of seed ${seed}`).toBe(true)
  }
})

it('runs 500 commands one after the other and 50 at once without a leak, on either side', async () => {
  const held = async () => {
    const line =
      'ls /proc/1/fd | wc -l; ls -d /sys/fs/cgroup/exec-* | wc -l; ls -d /proc/[0-9]* | wc -l; grep SUnreclaim /proc/meminfo'
    const { stdout } = await box.exec('sh', ['-c', line], { check: true })
    const [descriptors = 0, groups = 0, processes = 0] = stdout.split('\n').map(Number)
    expect(groups).toBeLessThanOrEqual(50)
    return {
      // Groups are kept for later executions, with two descriptors each.
      exact: { box: [descriptors - 2 * groups, processes], descriptors: readdirSync('/proc/self/fd').length },
      // Fewer is no leak: threads that were idle for some seconds end.
      threads: readdirSync('/proc/self/task').length,
      slab: Number(/SUnreclaim: *(\d+)/.exec(stdout)?.[1]),
      shim: Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${(await box.info()).pid}/status`, 'utf8'))?.[1]),
    }
  }
  const many = () => Promise.all(Array.from({ length: 50 }, () => box.exec('true')))
  const some = async () => {
    for (let i = 0; i < 100; i++) await box.exec('true')
    await many()
  }
  await some()
  const before = await held()
  for (let i = 0; i < 400; i++) await box.exec('true')
  await some()
  const after = await held()
  expect(after.exact).toEqual(before.exact)
  expect(after.threads).toBeLessThanOrEqual(before.threads)
  expect(after.slab - before.slab, 'KiB of unreclaimable kernel memory more in the box').toBeLessThan(1024)
  expect(after.shim - before.shim, 'KiB more in the shim').toBeLessThan(4096)
})
