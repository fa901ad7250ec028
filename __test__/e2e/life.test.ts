// The life of a box: made, started by its first use, stopped, started again, removed; found by id, by name and by a new
// runtime of the same home.
import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { type Box, Runtime } from '../../index.mjs'
import { failure } from '../support/failures.js'
import { engine, useHomes } from '../support/homes.js'
import { machinesOf } from '../support/leaks.js'
import { useRuntime } from '../support/runtime.js'

const homes = useHomes()
let runtime: Runtime
let home: string
let image: string
let box: Box

useRuntime(homes, made => {
  home = made.home
  runtime = made.runtime
  image = made.image
})

describe('a box', () => {
  it('is made before there is a machine', async () => {
    box = await runtime.create({ image, name: 'first' })
    expect((await box.info()).state).toBe('created')
    expect(machinesOf(homes.base)).toEqual([])
  })

  it('starts once, however many callers are first', async () => {
    const results = await Promise.all(Array.from({ length: 5 }, (_, i) => box.exec('echo', [`${i}`])))
    expect(results.map(result => result.stdout)).toEqual(['0\n', '1\n', '2\n', '3\n', '4\n'])
    expect(machinesOf(homes.base).filter(line => line.includes('boxlite-shim'))).toHaveLength(1)
  })

  it('shows its engine and the time of each stage', async () => {
    const info = await box.info()
    expect(info).toMatchObject({ name: 'first', state: 'running', engine, cpus: 1, memoryMib: 512 })
    expect(typeof info.accelerated).toBe('boolean')
    expect(Object.keys(info.timings)).toEqual(['image', 'rootfs', 'disk', 'spawn', 'ready', 'guest', 'container'])
  })

  it('keeps its files over stop and start', async () => {
    await box.exec('sh', ['-c', 'echo kept > /root/note; mkdir -p /var/x/y; dd if=/dev/zero of=/big bs=1M count=5'], {
      check: true,
    })
    await box.stop()
    expect((await box.info()).state).toBe('stopped')
    expect(machinesOf(homes.base)).toEqual([])
    await box.start()
    const { stdout } = await box.exec('sh', ['-c', 'cat /root/note; ls -d /var/x/y; stat -c %s /big'], { check: true })
    expect(stdout).toBe('kept\n/var/x/y\n5242880\n')
  })

  it('may be stopped twice and started twice', async () => {
    await box.stop()
    await box.stop()
    await Promise.all([box.start(), box.start()])
    await box.start()
    expect((await box.exec('true')).exitCode).toBe(0)
  })

  it('is found by its name, by its id and in the list', async () => {
    expect((await runtime.get('first')).id).toBe(box.id)
    expect((await runtime.get(box.id)).id).toBe(box.id)
    expect((await runtime.list()).map(info => info.name)).toEqual(['first'])
    await failure(runtime.get('second'), 'BOX_NOT_FOUND')
  })

  it('does not give its name away', async () => {
    const error = await failure(runtime.create({ image, name: 'first' }), 'BOX_NAME_TAKEN')
    expect(error.message).toContain('first')
    expect(await runtime.list()).toHaveLength(1)
  })

  it('is not removed while it runs, unless by force', async () => {
    await failure(box.remove(), 'BOX_STATE')
    await box.remove({ force: true })
    expect(machinesOf(homes.base)).toEqual([])
    expect(readdirSync(join(home, 'boxes'))).toEqual([])
    expect(await runtime.list()).toEqual([])
    await failure(box.exec('true'), 'BOX_REMOVED')
    await failure(runtime.get('first'), 'BOX_NOT_FOUND')
  })
})

it('ends with `await using`, and leaves its image in the cache', async () => {
  let folder = ''
  {
    await using scoped = await runtime.create({ image })
    expect((await scoped.exec('hostname')).stdout.trim()).not.toBe('')
    folder = join(home, 'boxes', scoped.id)
    expect(existsSync(folder)).toBe(true)
  }
  expect(machinesOf(homes.base)).toEqual([])
})

it('is found again, with its files, by a new runtime of the home', async () => {
  const own = homes.folder()
  const first = await Runtime.open({ home: own, engine })
  const made = await first.create({ image, name: 'lasting' })
  await made.exec('sh', ['-c', 'echo still here > /root/note'], { check: true })
  await first.close()
  expect(machinesOf(own)).toEqual([])
  const second = await homes.open({ home: own })
  const found = await second.get('lasting')
  expect((await found.info()).state).toBe('stopped')
  expect((await found.exec('cat', ['/root/note'])).stdout).toBe('still here\n')
  await found.remove({ force: true })
})

it('refuses work after the runtime was closed', async () => {
  const closed = await homes.open()
  await closed.close()
  await closed.close()
  await failure(closed.create({ image }), 'RUNTIME_CLOSED')
})

it('closes within its deadline, however many boxes do not want to end', async () => {
  const own = homes.folder()
  const stubborn = await homes.open({ home: own })
  const boxes = await Promise.all([1, 2].map(() => stubborn.create({ image })))
  for (const one of boxes) {
    const child = one.spawn('sh', ['-c', "trap '' TERM; echo up; while :; do sleep 0.1; done"], { stdin: 'none' })
    await child.stdout[Symbol.asyncIterator]().next()
  }
  const before = performance.now()
  await stubborn.close({ timeoutMs: 300 })
  // Not the ten seconds that it takes without a deadline.
  expect(performance.now() - before).toBeLessThan(10_000)
  await expect.poll(() => machinesOf(own), { timeout: 10_000 }).toEqual([])
  const after = await homes.open({ home: own })
  for (const { id, state } of await after.list()) {
    expect(state).toBe('stopped')
    await after.remove(id)
  }
})

it('is waited for: at once when it does not run, until a signal says otherwise when it does', async () => {
  await using scoped = await runtime.create({ image })
  expect(await scoped.wait()).toEqual({ state: 'created', exitCode: null, signal: null, oom: false, failure: null })
  await scoped.start()
  const controller = new AbortController()
  const waiting = scoped.wait({ signal: controller.signal })
  controller.abort(new Error('enough'))
  const error = await failure(waiting, 'ABORTED')
  expect(error.name).toBe('AbortError')
  const before = (await scoped.info()).pid
  await scoped.restart({ timeoutMs: 1_000 })
  expect((await scoped.info()).pid).not.toBe(before)
  const end = scoped.wait()
  await scoped.exec('true')
  await scoped.stop()
  expect(await end).toMatchObject({ state: 'stopped', failure: null })
})
