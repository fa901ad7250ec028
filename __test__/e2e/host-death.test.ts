// Attached boxes end with the process that started them, however that ends, and leave nothing that runs.
import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import type { Runtime } from '../../index.mjs'
import { useHomes } from '../support/homes.js'
import { machinesOf } from '../support/leaks.js'
import { Peer } from '../support/peer.js'
import { useRuntime } from '../support/runtime.js'

const homes = useHomes()
let home: string
let runtime: Runtime
let image: string

useRuntime(homes, made => {
  home = made.home
  runtime = made.runtime
  image = made.image
})

/** Each ends a process that runs a box. */
const WAYS: [string, (peer: Peer) => unknown][] = [
  ['exits', peer => peer.run(() => process.exit(7), null)],
  ['throws what nobody catches', peer => peer.run(() => setTimeout(() => Promise.reject(new Error('uncaught'))), null)],
  ['crashes', peer => peer.run(() => process.abort(), null)],
  ['is killed', peer => process.kill(peer.pid, 'SIGKILL')],
  ['is killed with its whole group', peer => process.kill(-peer.pid, 'SIGKILL')],
  ['loses its terminal', peer => process.kill(-peer.pid, 'SIGHUP')],
  ['is told to end', peer => process.kill(peer.pid, 'SIGTERM')],
]

it.each(WAYS)('a box ends when its process %s', async (way, die) => {
  const peer = await Peer.start(home)
  const id = await peer.run(async (theirs, image) => {
    const box = await theirs.create({ image })
    await box.exec('sh', ['-c', 'echo synced > /root/note; sync'], { check: true })
    // A guest that is at work, not idle.
    box.spawn('sh', ['-c', 'while :; do :; done'])
    return box.id
  }, image)
  expect(machinesOf(homes.base)).not.toEqual([])
  await peer.end(() => Promise.resolve(die(peer)).catch(() => {}))
  // That it takes two seconds at most is for the chaos test, which measures it.
  await expect.poll(() => machinesOf(homes.base), { timeout: 10_000, interval: 20 }).toEqual([])
  const folder = join(home, 'boxes', id)
  expect(readdirSync(folder).filter(name => name.endsWith('.sock'))).toEqual([])

  const box = await runtime.get(id)
  expect(await box.info()).toMatchObject({ state: 'stopped', failure: null, pid: null })
  if (way === 'is killed') expect((await box.exec('cat', ['/root/note'])).stdout).toBe('synced\n')
  await box.remove({ force: true })
  expect(existsSync(folder)).toBe(false)
})

it('closes in order on a signal, if asked', async () => {
  const peer = await Peer.start(home, { handleSignals: true })
  const id = await peer.run(async (theirs, image) => {
    const box = await theirs.create({ image })
    await box.exec('sh', ['-c', 'echo not synced > /root/note'], { check: true })
    return box.id
  }, image)
  await peer.end(pid => process.kill(pid, 'SIGTERM'))
  expect(peer.process.signalCode).toBe('SIGTERM')
  expect(machinesOf(homes.base)).toEqual([])
  const box = await runtime.get(id)
  expect((await box.exec('cat', ['/root/note'])).stdout).toBe('not synced\n')
  await box.remove({ force: true })
})
