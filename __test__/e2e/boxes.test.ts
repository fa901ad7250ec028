// The boxes of a home as a set: labels and filters, the box of a name whoever asks first, what limits hold in each.
import { expect, it } from 'vitest'
import type { Runtime } from '../../index.mjs'
import { failure } from '../support/failures.js'
import { useHomes } from '../support/homes.js'
import { layout } from '../support/images.js'
import { useRuntime } from '../support/runtime.js'

const homes = useHomes()
let runtime: Runtime
let image: string

useRuntime(
  homes,
  made => {
    runtime = made.runtime
    image = made.image
  },
  { image: { config: { Labels: { maker: 'image', 'org.example/tier': 'base' } } } },
)

it('are listed by name, label and state', async () => {
  const a = await runtime.create({ image, name: 'a', labels: { team: 'red', maker: 'me' } })
  const b = await runtime.create({ image, name: 'b', labels: { team: 'red' } })
  await runtime.create({ image, labels: { team: 'blue' } })
  const ids = async (...filter: Parameters<Runtime['list']>) => (await runtime.list(...filter)).map(({ id }) => id)
  expect(await ids()).toHaveLength(3)
  expect(await ids({ name: 'a' })).toEqual([a.id])
  expect(await ids({ labels: { team: 'red' } })).toEqual([a.id, b.id])
  expect(await ids({ labels: { team: 'red', maker: 'me' } })).toEqual([a.id])
  expect(await ids({ labels: { team: 'red' }, name: 'b', state: ['created', 'running'] })).toEqual([b.id])
  expect(await ids({ state: 'running' })).toEqual([])
  expect(await ids({ name: 'c' })).toEqual([])
})

it('have the labels of their image beneath their own, from the first start on', async () => {
  const box = await runtime.get('a')
  expect((await box.info()).labels).toEqual({ team: 'red', maker: 'me' })
  await box.start()
  expect((await box.info()).labels).toEqual({ team: 'red', maker: 'me', 'org.example/tier': 'base' })
  expect((await runtime.list({ labels: { 'org.example/tier': 'base' } })).map(({ name }) => name)).toEqual(['a'])
  await box.stop()
})

it('are got or created once, however many callers are first', async () => {
  const boxes = await Promise.all(Array.from({ length: 8 }, () => runtime.getOrCreate({ image, name: 'one' })))
  expect(new Set(boxes.map(box => box.id)).size).toBe(1)
  expect(await runtime.list({ name: 'one' })).toHaveLength(1)
  const same = await runtime.getOrCreate({ image: 'other:1', name: 'one', cpus: 2 })
  expect(await same.info()).toMatchObject({ id: boxes[0]?.id, image, cpus: 1 })
  await failure(runtime.getOrCreate({ image } as never), 'INVALID_ARGUMENT')
  await failure(runtime.getOrCreate({ image, name: 'one', cpus: 99 }), 'INVALID_ARGUMENT')
})

it('refuse a program of their own where there is none, before a machine is made', async () => {
  const bare = await layout(homes, [], { config: { Cmd: [] } })
  const box = await runtime.create({ image: bare, main: true })
  const error = await failure(box.start(), 'INVALID_ARGUMENT')
  expect(error.message).toMatch(/neither options nor image name a program/)
  expect(error.stage).toBe('container')
  await box.remove()
})

it('hold no more processes than `pidsLimit`', async () => {
  const box = await runtime.create({ image, pidsLimit: 20 })
  const { stdout, stderr } = await box.exec('sh', ['-c', 'for i in $(seq 40); do sleep 60 & done; jobs | wc -l'])
  expect(Number(stdout)).toBeLessThan(20)
  expect(stderr).toMatch(/fork/)
  await box.remove({ force: true })
})
