// What ends or bounds a box: its lifetime, idleness, its own disk. It ends in order, its disk whole, and says why.
import { expect, it } from 'vitest'
import type { Runtime } from '../../index.mjs'
import { useHomes } from '../support/homes.js'
import { next, written } from '../support/observed.js'
import { useRuntime } from '../support/runtime.js'

const homes = useHomes()
let runtime: Runtime
let image: string

useRuntime(homes, made => {
  runtime = made.runtime
  image = made.image
})

it('a box that has lived as long as it may ends in order', async () => {
  const line = 'trap "echo saved > /state; echo bye; exit 0" TERM; while :; do sleep 0.05; done'
  const box = await runtime.create({ image, cmd: ['sh', '-c', line], maxLifetimeMs: 1500 })
  const events = box.events()
  await box.start()
  await next(events, { type: 'limit', limit: 'maxLifetimeMs' })
  expect(await box.wait()).toMatchObject({ state: 'stopped', failure: null })
  expect(await written(box)).toBe('bye\n')
  events.close()
})

it('an unused box ends, and one that is used does not', async () => {
  const box = await runtime.create({ image, idleTimeoutMs: 1500, healthCheck: { command: 'true', intervalMs: 100 } })
  const events = box.events()
  const ended = box.exec('sh', ['-c', 'sleep 3; echo > /worked']).then(() => performance.now())
  await next(events, { type: 'limit', limit: 'idleTimeoutMs' })
  // After the command, though watched and checked all the time.
  expect(performance.now() - (await ended)).toBeGreaterThan(0)
  expect(await box.wait()).toMatchObject({ state: 'stopped', exitCode: null })
  await box.start()
  expect(await box.fs.readFile('/worked', 'utf8')).toBe('\n')
  events.close()
  await box.remove({ force: true })
})

it('no process of a box reads or writes its disk beneath the file system', async () => {
  const box = await runtime.create({ image })
  const { stdout, stderr } = await box.exec('sh', [
    '-c',
    'n=$(sed -n "s/ *\\([0-9]*\\) *\\([0-9]*\\) .* vda$/\\1 \\2/p" /proc/partitions); echo $n; mknod /disk b $n && dd if=/disk of=/dev/null bs=512 count=1',
  ])
  expect(stdout).toMatch(/^\d+ \d+\n$/)
  expect(stderr).toMatch(/Operation not permitted/)
  await box.remove({ force: true })
})
