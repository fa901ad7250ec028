// What of a box changes after it was made: what its machine must know when it starts from the next start on, all else at once,
// also where another process runs it.
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeAll, expect, it } from 'vitest'
import type { Runtime } from '../../index.mjs'
import { failure } from '../support/failures.js'
import { useHomes } from '../support/homes.js'
import { layout } from '../support/images.js'
import { next } from '../support/observed.js'
import { Peer } from '../support/peer.js'

const homes = useHomes()
let home: string
let image: string
let runtime: Runtime
let peer: Peer | undefined

beforeAll(async () => {
  home = homes.folder()
  runtime = await homes.open({ home })
  image = await layout(homes)
})
afterEach(async () => {
  await peer?.kill()
  peer = undefined
})

it('shows the values now and from the next start on, and the next start applies them', async () => {
  const box = await runtime.create({ image, memoryMib: 256 })
  const memory = async () =>
    Number((await box.exec('sh', ['-c', 'sed -n "s/MemTotal: *\\([0-9]*\\) kB/\\1/p" /proc/meminfo'])).stdout)
  const before = await memory()
  await box.update({ cpus: 2, memoryMib: 384 })
  expect(await box.info()).toMatchObject({ cpus: 1, memoryMib: 256, pending: { cpus: 2, memoryMib: 384 } })
  await box.restart()
  expect(await box.info()).toMatchObject({ cpus: 2, memoryMib: 384, pending: null })
  expect((await memory()) - before).toBeGreaterThan(100 * 1024)
  expect((await box.exec('nproc')).stdout).toBe('2\n')
  await box.update({ cpus: 1 })
  await box.stop()
  expect(await box.info()).toMatchObject({ cpus: 1, pending: null })
  await box.remove()
})

it('changes at once what can change in a running box of another process', async () => {
  peer = await Peer.start(home)
  await peer.run(async (theirs, image) => {
    const box = await theirs.create({ image, name: 'theirs', env: { OLD: '1', BOTH: '1' } })
    await box.start()
  }, image)
  const box = await runtime.get('theirs')
  await box.update({ env: { BOTH: '2', NEW: '2' }, pidsLimit: 50, labels: { a: 'b' } })
  const line = 'echo "$OLD $BOTH $NEW"; cat /sys/fs/cgroup/pids.max'
  const ofPeer = await peer.run(
    async (theirs, line) => (await (await theirs.get('theirs')).exec('sh', ['-c', line])).stdout,
    line,
  )
  expect(ofPeer).toBe(' 2 2\n50\n')
  expect(await box.info()).toMatchObject({ pidsLimit: 50, labels: { a: 'b' }, pending: null })
  await box.update({ maxLifetimeMs: 1 })
  expect(await box.wait()).toMatchObject({ state: 'stopped', failure: null })
  // Over restarts, in whatever process.
  await box.update({ maxLifetimeMs: 0 })
  expect((await box.exec('sh', ['-c', line])).stdout).toBe(' 2 2\n50\n')
  await box.remove({ force: true })
})

it('ends a box at a given moment, and starts it only when it gets another', async () => {
  const box = await runtime.create({ image, endsAt: Date.now() + 3_600_000 })
  await box.start()
  const events = box.events()
  const endsAt = new Date(Date.now() + 500)
  await box.update({ endsAt })
  expect((await box.info()).endsAt).toEqual(endsAt)
  await next(events, { type: 'limit', limit: 'endsAt' })
  expect(await box.wait()).toMatchObject({ state: 'stopped' })
  expect(Date.now()).toBeGreaterThanOrEqual(endsAt.getTime())
  const error = await failure(box.start(), 'BOX_STATE')
  expect(error.hint).toContain('endsAt')
  expect((await box.info()).state).toBe('stopped')
  await box.update({ endsAt: null })
  expect((await box.exec('echo', ['again'])).stdout).toBe('again\n')
  events.close()
  await box.remove({ force: true })
})

it('keeps a box that is touched, from any process, and starts none by it', async () => {
  const box = await runtime.create({ image, name: 'idle', detached: true })
  expect(await box.touch()).toBe(false)
  expect((await box.info()).state).toBe('created')
  await box.start()
  const events = box.events()
  await box.update({ idleTimeoutMs: 3000 })
  peer = await Peer.start(home)
  const until = Date.now() + 6000
  let touched = 0
  while (Date.now() < until) {
    expect(await peer.run(async theirs => (await theirs.get('idle')).touch(), null)).toBe(true)
    touched = Date.now()
    await new Promise(resolve => setTimeout(resolve, 200))
  }
  await next(events, { type: 'limit', limit: 'idleTimeoutMs' })
  expect(Date.now() - touched).toBeGreaterThan(2000)
  await box.wait()
  expect(await box.touch()).toBe(false)
  expect((await box.info()).state).toBe('stopped')
  events.close()
  await box.remove()
})

it('puts off the moment at which its shim would end a box that does not end by itself', async () => {
  const box = await runtime.create({ image, maxLifetimeMs: 3_600_000 })
  await box.start()
  const file = join(home, 'boxes', box.id, 'deadline')
  expect(existsSync(file)).toBe(false)
  await box.update({ maxLifetimeMs: 7_200_000 })
  expect(Number(readFileSync(file, 'utf8'))).toBeGreaterThan(7_200_000)
  // What the file says holds, as soon as the shim is told of a change.
  writeFileSync(file, '1\n')
  const { pid } = await box.info()
  process.kill(Number(pid), 'SIGUSR1')
  expect(await box.wait()).toMatchObject({ state: 'failed', failure: expect.stringContaining('its time was up') })
  await box.remove({ force: true })
})
