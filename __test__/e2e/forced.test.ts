// What ends by force ends soon, whoever stands in the way: a guest that never says a word, a frozen shim or QEMU, a frozen
// process that is changing the box. And what somebody asked for is no failure, wherever one looks.
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import type { Box, Runtime, RuntimeEvent } from '../../index.mjs'
import { writeSilent } from '../chaos/saboteur.mjs'
import { failure } from '../support/failures.js'
import { useHomes } from '../support/homes.js'
import { layout } from '../support/images.js'
import { machinesOf } from '../support/leaks.js'
import { Peer } from '../support/peer.js'

const homes = useHomes()
const peers: Peer[] = []
let image: string
let silent: string

type StateEvent = Extract<RuntimeEvent, { type: 'state' }>

/** The promise is two seconds; a silent guest is waited for a minute. Between them lies what a busy machine takes. */
const SOON = 8_000

beforeAll(async () => {
  image = await layout(homes)
  silent = join(homes.folder(), 'silent.cpio')
  writeSilent(silent)
})
afterEach(() => {
  delete process.env.BOXLITE_INITRAMFS
})
afterAll(async () => {
  for (const peer of peers) await peer.kill()
})

async function silentRuntime(home = homes.folder()): Promise<Runtime> {
  process.env.BOXLITE_INITRAMFS = silent
  const runtime = await homes.open({ home })
  // The image's part of a start is not what these tests are about.
  await runtime.images.pull(image)
  return runtime
}

async function startPeer(home: string): Promise<Peer> {
  const peer = await Peer.start(home)
  peers.push(peer)
  return peer
}

async function soon(work: Promise<unknown>): Promise<void> {
  const before = performance.now()
  await work
  expect(performance.now() - before).toBeLessThan(SOON)
}

/** A start that hangs, once its machine is there. */
async function hanging(box: Box, home: string): Promise<{ start: Promise<unknown> }> {
  const start = box.start().catch(error => error)
  await expect.poll(() => machinesOf(home).some(line => line.includes('qemu-system')), { timeout: 30_000 }).toBe(true)
  return { start }
}

const pidsOf = (home: string) => machinesOf(home).map(line => Number(/process (\d+)/.exec(line)?.[1]))

describe('a guest that stays silent', () => {
  it('is waited for as long as one says, and the box says that it failed', async () => {
    const home = homes.folder()
    const runtime = await silentRuntime(home)
    const box = await runtime.create({ image, memoryMib: 128, startTimeoutMs: 1_500 })
    const error = await failure(box.start(), 'GUEST_TIMEOUT')
    expect(error).toMatchObject({ stage: 'ready' })
    expect(error.message).toContain('1500 ms')
    expect(error.hint).toContain('startTimeoutMs')
    expect(await box.info()).toMatchObject({ state: 'failed', pid: null })
    expect((await failure(box.start({ startTimeoutMs: 700 }), 'GUEST_TIMEOUT')).message).toContain('700 ms')
    expect(machinesOf(home)).toEqual([])
  })

  it('keeps no start from being aborted, by any call that has a signal', async () => {
    const home = homes.folder()
    const runtime = await silentRuntime(home)
    const box = await runtime.create({ image, memoryMib: 128 })
    const calls = [
      (signal: AbortSignal) => box.start({ signal }),
      (signal: AbortSignal) => box.exec('true', { signal }),
      (signal: AbortSignal) => box.spawn('true', { signal }).wait(),
    ]
    for (const call of calls) {
      const controller = new AbortController()
      const running = call(controller.signal)
      running.catch(() => {})
      await expect.poll(() => machinesOf(home).length, { timeout: 30_000 }).toBeGreaterThan(1)
      controller.abort()
      await soon(failure(running, 'ABORTED'))
      await expect.poll(async () => (await box.info()).state, { timeout: SOON }).toBe('created')
      expect(machinesOf(home)).toEqual([])
    }
  })

  it('is still waited for by those who did not abort', async () => {
    const home = homes.folder()
    const runtime = await silentRuntime(home)
    const box = await runtime.create({ image, memoryMib: 128, startTimeoutMs: 3_000 })
    const controller = new AbortController()
    const [first, second] = [box.start({ signal: controller.signal }), box.start()]
    controller.abort()
    await failure(first, 'ABORTED')
    await failure(second, 'GUEST_TIMEOUT')
  })

  it('does not prevent the removal of a box, and its start reports that', async () => {
    const home = homes.folder()
    const runtime = await silentRuntime(home)
    const box = await runtime.create({ image, memoryMib: 128 })
    const { start } = await hanging(box, home)
    await soon(box.remove({ force: true }))
    expect(await start).toMatchObject({ code: 'BOX_REMOVED' })
    expect(readdirSync(join(home, 'boxes'))).toEqual([])
    expect(machinesOf(home)).toEqual([])
  })

  it('keeps no runtime from closing', async () => {
    const home = homes.folder()
    const runtime = await silentRuntime(home)
    const box = await runtime.create({ image, memoryMib: 128 })
    const { start } = await hanging(box, home)
    await soon(runtime.close({ timeoutMs: 500 }))
    expect(await start).toMatchObject({ code: 'RUNTIME_CLOSED' })
    expect(machinesOf(home)).toEqual([])
  })

  it('keeps nobody from removing a box that a frozen process is starting', async () => {
    const home = homes.folder()
    const runtime = await silentRuntime(home)
    const peer = await startPeer(home)
    await peer.run(async (theirs, image, kept) => {
      const box = await theirs.create({ image, name: 'frozen', memoryMib: 128 })
      kept.start = box.start().catch(error => error.code)
    }, image)
    await expect.poll(() => machinesOf(home).length, { timeout: 30_000 }).toBeGreaterThan(1)
    process.kill(peer.pid, 'SIGSTOP')
    const box = await runtime.get('frozen')
    await soon(box.remove({ force: true }))
    expect(await runtime.list()).toEqual([])
    expect(readdirSync(join(home, 'boxes'))).toEqual([])
    expect(machinesOf(home)).toEqual([])
    await runtime.create({ image, name: 'frozen' })
    process.kill(peer.pid, 'SIGCONT')
    expect(await peer.run((_, __, kept) => kept.start, null)).toBe('BOX_REMOVED')
    expect(await runtime.list()).toHaveLength(1)
  })
})

describe('a box that runs', () => {
  let home: string
  let runtime: Runtime

  beforeAll(async () => {
    home = homes.folder()
    runtime = await homes.open({ home })
  })

  it.each(['shim', 'qemu'])('is removed by force although its %s is frozen', async part => {
    const box = await runtime.create({ image, memoryMib: 128 })
    await box.start()
    const which = machinesOf(home).filter(line => line.includes(part === 'shim' ? 'boxlite-shim' : 'qemu-system'))
    for (const line of which) process.kill(Number(/process (\d+)/.exec(line)?.[1]), 'SIGSTOP')
    expect(which).toHaveLength(1)
    await soon(box.remove({ force: true }))
    expect(machinesOf(home)).toEqual([])
  })

  it('has stopped and not failed when it is removed by force, for everybody', async () => {
    const peer = await startPeer(home)
    const box = await runtime.create({ image, name: 'wanted', memoryMib: 128 })
    const states: unknown[] = []
    const events = runtime.events()
    events.on('state', ({ from, to, failure }) => states.push([from, to, failure]))
    await box.start()
    await peer.run(async (theirs, _, kept) => {
      const box = await theirs.get('wanted')
      await box.exec('true')
      kept.states = []
      kept.events = theirs.events()
      kept.events.on('state', (event: StateEvent) => kept.states.push([event.from, event.to, event.failure]))
      kept.end = box.wait()
    }, null)
    const end = box.wait()
    await box.remove({ force: true })
    const asked = { state: 'stopped', failure: null, exitCode: null, signal: null }
    expect(await end).toMatchObject(asked)
    expect(await peer.run((_, __, kept) => kept.end, null)).toMatchObject(asked)
    const told = [
      ['running', 'stopping', null],
      ['stopping', 'stopped', null],
      ['stopped', 'removed', null],
    ]
    await expect.poll(() => states.slice(-3)).toEqual(told)
    await expect.poll(() => peer.run((_, __, kept) => kept.states, null)).toEqual([['running', 'removed', null]])
    events.close()
  })

  it('that is removed with its end has stopped for everybody, also when it had to be killed for that', async () => {
    const peer = await startPeer(home)
    for (const frozen of [false, true]) {
      const box = await runtime.create({ image, name: 'passing', autoRemove: true, memoryMib: 128 })
      await box.start()
      await peer.run(async (theirs, _, kept) => {
        const box = await theirs.get('passing')
        await box.exec('true')
        kept.end = box.wait()
      }, null)
      const end = box.wait()
      if (frozen) {
        for (const pid of pidsOf(home)) process.kill(pid, 'SIGSTOP')
        await box.remove({ force: true })
      } else {
        await box.stop({ timeoutMs: 500 })
      }
      expect(await end).toMatchObject({ state: 'stopped', failure: null })
      expect(await peer.run((_, __, kept) => kept.end, null)).toMatchObject({ state: 'stopped', failure: null })
    }
  })

  it('closes with its runtime in time although all of it is frozen, and has stopped', async () => {
    const own = homes.folder()
    const frozen = await homes.open({ home: own })
    const box = await frozen.create({ image, memoryMib: 128 })
    await box.start()
    for (const pid of pidsOf(own)) process.kill(pid, 'SIGSTOP')
    await soon(frozen.close({ timeoutMs: 500 }))
    expect(machinesOf(own)).toEqual([])
    const after = await homes.open({ home: own })
    expect((await after.list()).map(({ state, failure }) => [state, failure])).toEqual([['stopped', null]])
  })

  it('gives its shim and QEMU nothing of the environment of its program', async () => {
    process.env.OPENAI_API_KEY = 'sk-secret'
    const box = await runtime.create({ image, memoryMib: 128 })
    await box.start()
    delete process.env.OPENAI_API_KEY
    const pids = pidsOf(home)
    expect(pids).toHaveLength(2)
    for (const pid of pids) {
      const names = readFileSync(`/proc/${pid}/environ`, 'latin1')
        .split('\0')
        .map(pair => pair.split('=')[0])
      // The last two are of the shim itself (`src/runtime/shim/environment.rs`).
      const known = ['', 'PATH', 'LD_LIBRARY_PATH', 'MALLOC_ARENA_MAX', 'RUST_MIN_STACK']
      expect(names.filter(name => !known.includes(String(name)))).toEqual([])
    }
    await box.remove({ force: true })
  })
})
