// One home, several processes: each sees what the others make, uses what they run, and ends what it started.
import { afterEach, describe, expect, it } from 'vitest'
import type { Runtime } from '../../index.mjs'
import { failure } from '../support/failures.js'
import { useHomes } from '../support/homes.js'
import { machinesOf } from '../support/leaks.js'
import { Peer } from '../support/peer.js'
import { useRuntime } from '../support/runtime.js'

const homes = useHomes()
let home: string
let image: string
let runtime: Runtime
const peers: Peer[] = []

useRuntime(homes, made => {
  home = made.home
  runtime = made.runtime
  image = made.image
})
afterEach(async () => {
  for (const peer of peers.splice(0)) await peer.kill()
})

async function startPeer(): Promise<Peer> {
  const peer = await Peer.start(home)
  peers.push(peer)
  return peer
}

describe('a box of another process', () => {
  it('is found, listed, and its name is taken', async () => {
    const peer = await startPeer()
    const id = await peer.run(async (theirs, image) => (await theirs.create({ image, name: 'shared' })).id, image)
    expect((await runtime.get('shared')).id).toBe(id)
    expect((await runtime.list()).map(info => info.name)).toEqual(['shared'])
    const error = await failure(runtime.create({ image, name: 'shared' }), 'BOX_NAME_TAKEN')
    expect(error.message).toContain(id)
    await runtime.remove('shared')
    expect(await peer.run(async theirs => (await theirs.list()).length, null)).toBe(0)
    await expect(peer.run(async theirs => (await theirs.get('shared')).id, null)).rejects.toMatchObject({
      code: 'BOX_NOT_FOUND',
    })
  })

  it('reports its health to a process that has not used it', async () => {
    const peer = await startPeer()
    await peer.run(async (theirs, image) => {
      const healthCheck = { command: 'test -e /ok', intervalMs: 100, retries: 1 }
      const box = await theirs.create({ image, name: 'checked', main: true, cmd: ['sleep', '600'], healthCheck })
      await box.start()
    }, image)
    const box = await runtime.get('checked')
    await expect.poll(async () => (await box.info()).health, { timeout: 20_000 }).toBe('unhealthy')
    await peer.run(async theirs => (await theirs.get('checked')).exec('touch', ['/ok']), null)
    await expect.poll(async () => (await box.info()).health, { timeout: 20_000 }).toBe('healthy')
    expect(await runtime.list()).toMatchObject([{ name: 'checked', health: 'healthy' }])
    await box.stop()
    expect((await box.info()).health).toBeNull()
    await box.remove()
  })

  it('is used while it runs there, and both see its end', async () => {
    const peer = await startPeer()
    await peer.run(async (theirs, image, kept) => {
      kept.box = await theirs.create({ image, name: 'running' })
      await kept.box.exec('sh', ['-c', 'echo theirs > /root/note'], { check: true })
      kept.end = kept.box.wait()
    }, image)
    const box = await runtime.get('running')
    const before = await box.info()
    expect(before).toMatchObject({ state: 'running', detached: false })
    expect((await box.exec('cat', ['/root/note'])).stdout).toBe('theirs\n')
    await box.fs.writeFile('/root/note', 'ours')
    expect(await peer.run((_, path, kept) => kept.box.fs.readFile(path, 'utf8'), '/root/note')).toBe('ours')
    expect((await box.info()).pid).toBe(before.pid)
    expect(machinesOf(homes.base).filter(line => line.includes('boxlite-shim'))).toHaveLength(1)

    const end = box.wait()
    await failure(box.remove(), 'BOX_STATE')
    await box.stop()
    expect(await end).toMatchObject({ state: 'stopped', failure: null })
    expect(await peer.run((_, __, kept) => kept.end, null)).toMatchObject({ state: 'stopped', failure: null })
    expect(await peer.run(async (_, __, kept) => (await kept.box.info()).state, null)).toBe('stopped')
    expect(machinesOf(homes.base)).toEqual([])

    // Started here, it is joined there.
    await box.start()
    expect(await peer.run(async (_, __, kept) => (await kept.box.exec('hostname')).stdout, null)).toBe('running\n')
    expect(await peer.run(async (_, __, kept) => (await kept.box.info()).pid, null)).toBe((await box.info()).pid)
    await peer.run((_, __, kept) => kept.box.remove({ force: true }), null)
    await failure(box.exec('true'), 'BOX_REMOVED')
    expect(machinesOf(homes.base)).toEqual([])
  })

  it('starts once, whoever is first', async () => {
    const [one, two] = await Promise.all([startPeer(), startPeer()])
    const box = await runtime.create({ image, name: 'once' })
    const start = async (theirs: Runtime) => {
      const box = await theirs.get('once')
      await box.start()
      return (await box.info()).pid
    }
    const pids = await Promise.all([one.run(start, null), two.run(start, null), box.start()])
    const { pid } = await box.info()
    expect(pids.slice(0, 2)).toEqual([pid, pid])
    expect(machinesOf(homes.base).filter(line => line.includes('boxlite-shim'))).toHaveLength(1)
    await box.remove({ force: true })
  })

  it('goes on when a runtime that only used it closes, and ends with the one that started it', async () => {
    const peer = await startPeer()
    const box = await runtime.create({ image, name: 'mine' })
    await box.start()
    await peer.run(async theirs => {
      const box = await theirs.get('mine')
      await box.exec('true')
      await box[Symbol.asyncDispose]()
      await theirs.close()
    }, null)
    expect((await box.exec('true')).exitCode).toBe(0)
    await box.remove({ force: true })

    const other = await startPeer()
    await other.run(async (theirs, image) => (await theirs.create({ image, name: 'theirs' })).start(), image)
    const joined = await runtime.get('theirs')
    expect((await joined.exec('true')).exitCode).toBe(0)
    const end = joined.wait()
    await other.kill()
    expect(await end).toMatchObject({ state: 'stopped', failure: null })
    expect((await joined.info()).state).toBe('stopped')
    // And it may be started here.
    expect((await joined.exec('true')).exitCode).toBe(0)
    await joined.remove({ force: true })
  })

  it('never shares a name, however many request it at once', async () => {
    const all = await Promise.all([startPeer(), startPeer(), startPeer()])
    const take = (theirs: Runtime, image: string) =>
      theirs.create({ image, name: 'prize' }).then(
        () => 'won',
        error => error.code,
      )
    const won = await Promise.all([...all.map(peer => peer.run(take, image)), take(runtime, image)])
    expect(won.sort()).toEqual(['BOX_NAME_TAKEN', 'BOX_NAME_TAKEN', 'BOX_NAME_TAKEN', 'won'])
    await runtime.remove('prize')
  })
})
