// Detached boxes: they outlive the process that started them, and the next one goes on with them.
import { readFileSync, readlinkSync, realpathSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, expect, it } from 'vitest'
import { Runtime } from '../../index.mjs'
import { engine, useHomes } from '../support/homes.js'
import { machinesOf } from '../support/leaks.js'
import { Peer } from '../support/peer.js'
import { useRuntime } from '../support/runtime.js'

const homes = useHomes()
let home: string
let image: string
let runtime: Runtime

useRuntime(homes, made => {
  home = made.home
  runtime = made.runtime
  image = made.image
})
afterEach(async () => {
  for (const { id } of await runtime.list()) await runtime.remove(id, { force: true })
})

it('lives on when its process is killed; the next one finds it, re-joins what runs, and ends it', async () => {
  const peer = await Peer.start(home)
  await peer.run(async (theirs, image) => {
    const box = await theirs.create({ image, name: 'service', detached: true })
    const count = 'i=0; while :; do echo $i; i=$((i+1)); sleep 0.1; done'
    await box.spawn('sh', ['-c', count], { detached: true }).started
    // Held by nobody once its process is gone, and there all the same.
    box.spawn('sh', ['-c', 'trap "exit 3" TERM; while :; do sleep 0.1; done'], { stdin: 'none' })
    await box.exec('sh', ['-c', 'echo kept > /root/note'], { check: true })
  }, image)
  const before = await (await runtime.get('service')).info()
  await peer.kill()

  const box = await runtime.get('service')
  const { pid } = await box.info()
  expect(await box.info()).toMatchObject({ state: 'running', detached: true, pid: before.pid, engine })
  // Nothing ties it to the process that was: no stream, no folder but the box's own, no session.
  expect(readlinkSync(`/proc/${pid}/cwd`)).toBe(realpathSync(join(home, 'boxes', box.id)))
  expect(readlinkSync(`/proc/${pid}/fd/0`)).toBe('/dev/null')
  expect(readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ')[3]).toBe(`${pid}`)

  const running = await box.executions()
  expect(running.map(({ command, detached }) => [command, detached])).toEqual([
    ['sh', true],
    ['sh', false],
  ])
  const again = box.execution(running[0]?.id as string)
  let seen = ''
  for await (const event of again) {
    if (event.type === 'stdout') seen += event.data
    if (seen.split('\n').length > 20) break
  }
  const numbers = seen.trim().split('\n').map(Number)
  expect(numbers).toEqual(Array.from(numbers, (_, i) => (numbers[0] as number) + i))
  const other = box.execution(running[1]?.id as string)
  await other.kill('SIGTERM')
  expect((await other.wait()).exitCode).toBe(3)

  const end = box.wait()
  await box.stop()
  expect(await end).toMatchObject({ state: 'stopped' })
  expect(machinesOf(homes.base)).toEqual([])
  expect((await box.exec('cat', ['/root/note'])).stdout).toBe('kept\n')
})

it('goes on after `await using`, after `close`, and after a program that ends by itself', async () => {
  const own = await Runtime.open({ home, engine })
  {
    await using box = await own.create({ image, name: 'kept', detached: true })
    await box.start()
  }
  // This process has the home open twice; a process of its own ends alone.
  const peer = await Peer.start(home)
  await peer.run(async theirs => {
    const box = await theirs.get('kept')
    await box.exec('true')
    // From here on, nothing but what the library holds could keep it.
    setImmediate(() => process.disconnect())
  }, null)
  await peer.end(() => {})
  expect(peer.process.exitCode).toBe(0)

  const second = await Peer.start(home)
  await second.run(async (theirs, image) => {
    await (await theirs.create({ image, name: 'closed', detached: true })).start()
    await theirs.close()
  }, image)
  await second.kill()
  await own.close()
  expect((await runtime.list()).map(({ name, state }) => [name, state])).toEqual([
    ['kept', 'running'],
    ['closed', 'running'],
  ])
  expect((await (await runtime.get('closed')).exec('hostname')).stdout).toBe('closed\n')
  await runtime.remove('closed', { force: true })
  const kept = await runtime.get('kept')
  await kept.restart()
  expect((await kept.exec('true')).exitCode).toBe(0)
})

it('reports that its machine was killed, to those that wait and to those that ask later', async () => {
  const box = await runtime.create({ image, name: 'doomed', detached: true })
  await box.start()
  const peer = await Peer.start(home)
  const theirs = peer.run(async theirs => (await theirs.get('doomed')).wait(), null)
  const ours = box.wait()
  // Both wait before the end.
  await peer.run(async theirs => (await theirs.get('doomed')).exec('true'), null)
  process.kill((await box.info()).pid as number, 'SIGKILL')
  expect(await ours).toMatchObject({ state: 'failed', failure: expect.stringContaining('killed') })
  expect(await theirs).toMatchObject({ state: 'failed', failure: expect.stringContaining('killed') })
  await peer.kill()
  expect(await box.info()).toMatchObject({ state: 'failed', failure: expect.stringContaining('killed'), pid: null })
  expect((await box.exec('true')).exitCode).toBe(0)
})

it('that was only half started ends when the next process comes', async () => {
  const peer = await Peer.start(home)
  await peer.run(async (theirs, image, kept) => {
    kept.box = await theirs.create({ image, name: 'half', detached: true })
    kept.box.start().catch(() => {})
  }, image)
  // The shim is there, the guest is not ready yet.
  await expect.poll(() => machinesOf(homes.base), { timeout: 10_000, interval: 5 }).not.toEqual([])
  await peer.kill()
  const next = await Peer.start(home)
  expect(machinesOf(homes.base)).toEqual([])
  expect(await next.run(async theirs => (await (await theirs.get('half')).info()).state, null)).toBe('created')
  expect(await next.run(async theirs => (await (await theirs.get('half')).exec('hostname')).stdout, null)).toBe(
    'half\n',
  )
  await next.kill()
})

it('reports its end to every process that waits, whichever process removes it', async () => {
  const peer = await Peer.start(home)
  for (const exitCode of [0, 5]) {
    const id = await peer.run(
      async (theirs, { image, exitCode }, kept) => {
        const line = `while [ ! -e /go ]; do sleep 0.1; done; exit ${exitCode}`
        kept.box = await theirs.create({ image, autoRemove: true, cmd: ['sh', '-c', line] })
        await kept.box.start()
        kept.end = kept.box.wait()
        return kept.box.id
      },
      { image, exitCode },
    )
    const box = await runtime.get(id)
    const end = box.wait()
    await box.exec('touch', ['/go'])
    const ended = { state: 'stopped', exitCode, signal: null, failure: null }
    expect(await end).toMatchObject(ended)
    expect(await peer.run((_, __, kept) => kept.end, null)).toMatchObject(ended)
  }
  expect(await runtime.list()).toEqual([])
  await peer.kill()
})

it('is removed once it ends, if asked, also when nobody was there to see', async () => {
  const box = await runtime.create({ image, autoRemove: true })
  await box.start()
  const end = box.wait()
  await box.stop()
  expect(await end).toMatchObject({ state: 'stopped' })
  expect(await runtime.list()).toEqual([])

  const peer = await Peer.start(home)
  await peer.run(async (theirs, image) => (await theirs.create({ image, autoRemove: true })).start(), image)
  await peer.kill()
  await expect.poll(() => machinesOf(homes.base), { timeout: 10_000 }).toEqual([])
  expect(await runtime.list()).toHaveLength(1)
  const next = await Peer.start(home)
  expect(await runtime.list()).toEqual([])
  await next.kill()
})
