// What can be seen of boxes from outside: events of their life and their commands, the console's log.
import { expect, it } from 'vitest'
import type { Events, Runtime, RuntimeEvent } from '../../index.mjs'
import { failure } from '../support/failures.js'
import { useHomes } from '../support/homes.js'
import { useRuntime } from '../support/runtime.js'

const homes = useHomes()
let runtime: Runtime
let image: string

useRuntime(homes, made => {
  runtime = made.runtime
  image = made.image
})

/** Everything up to the event that `last` describes, which must come. */
async function until(events: Events, last: Partial<RuntimeEvent>): Promise<RuntimeEvent[]> {
  const seen: RuntimeEvent[] = []
  for await (const event of events) {
    seen.push(event)
    const matches = Object.entries(last).every(([key, value]) => event[key as 'type'] === value)
    if (matches) return seen
  }
  throw new Error(`it never came: ${JSON.stringify(last)}`)
}

it('events are reported as they happen, of one box and of all boxes', async () => {
  const all = until(runtime.events(), { type: 'state', to: 'removed' })
  const box = await runtime.create({ image, name: 'told' })
  const own = box.events()
  const states: unknown[] = []
  own.on('state', ({ from, to }) => states.push([from, to]))
  const other = await runtime.create({ image })
  await box.exec('sh', ['-c', 'exit 3'])
  await box.stop()
  await box.remove()
  const seen = await all
  const ofBox = seen.filter(event => 'boxId' in event && event.boxId === box.id)
  const steps = ofBox.filter(event => event.type === 'state').map(event => [event.from, event.to])
  expect(steps).toEqual([
    [null, 'created'],
    ['created', 'starting'],
    ['starting', 'running'],
    ['running', 'stopping'],
    ['stopping', 'stopped'],
    ['stopped', 'removed'],
  ])
  expect(ofBox.filter(event => event.type === 'exec')).toMatchObject([
    { action: 'started', command: 'sh' },
    { action: 'exited', exitCode: 3, signal: null, oomKilled: false },
  ])
  expect(ofBox.filter(event => event.type === 'pull')).toMatchObject([
    { action: 'started', source: image },
    { action: 'done' },
  ])
  expect(seen.some(event => 'boxId' in event && event.boxId === other.id)).toBe(true)
  await expect.poll(() => states).toEqual(steps.slice(1))
  own.close()
})

it('a pull that fails says why', async () => {
  const events = until(runtime.events(), { type: 'pull', action: 'failed' } as Partial<RuntimeEvent>)
  const error = await failure(runtime.images.pull(`${homes.folder()}/nothing`), 'IMAGE_NOT_FOUND')
  const failed = (await events).at(-1)
  expect(failed).toMatchObject({ boxId: null, code: error.code, message: error.message })
})

it('the console is there while the box runs and after, and can be followed to its end', async () => {
  const box = await runtime.create({ image })
  await box.start()
  const whole = (async () => {
    const pieces: Buffer[] = []
    for await (const entry of box.logs({ source: 'console', follow: true })) {
      if (entry.stream === 'console') pieces.push(entry.data)
    }
    return Buffer.concat(pieces).toString()
  })()
  await box.stop()
  const text = await whole
  expect(text).toMatch(/reboot: /)
  let later = ''
  for await (const entry of box.logs({ source: 'console' })) if (entry.stream === 'console') later += entry.data
  expect(later).toBe(text)
  for await (const entry of box.logs()) expect.fail(`it has no main process: ${JSON.stringify(entry)}`)
  const controller = new AbortController()
  await box.start()
  const endless = box.logs({ follow: true, signal: controller.signal })
  const next = endless.next()
  controller.abort()
  await failure(next, 'ABORTED')
  expect(() => box.logs({ source: 'console', since: 0 })).toThrow(/notes no times/)
  await box.remove({ force: true })
})

it('name and labels of a box change in any state, and names stay unique', async () => {
  const box = await runtime.create({ image, labels: { team: 'red' } })
  const [a, b] = await Promise.allSettled([box.update({ name: 'new' }), runtime.create({ image, name: 'new' })])
  expect([a.status, b.status].sort()).toEqual(['fulfilled', 'rejected'])
  await box.update({ name: 'mine', labels: { team: 'blue' } })
  expect(box.name).toBe('mine')
  await box.start()
  await box.update({ labels: {} })
  expect(await box.info()).toMatchObject({ name: 'mine', labels: {}, state: 'running' })
  expect((await runtime.get('mine')).id).toBe(box.id)
  const rival = await runtime.create({ image, name: 'rival' })
  const error = await failure(box.update({ name: 'rival' }), 'BOX_NAME_TAKEN')
  expect(error.message).toContain(rival.id)
  await box.update({ name: 'mine' })
  await box.update({ name: null })
  expect([box.name, (await box.info()).name]).toEqual([null, null])
  await failure(runtime.get('mine'), 'BOX_NOT_FOUND')
  await box.remove({ force: true })
  await failure(box.update({ labels: {} }), 'BOX_REMOVED')
})

it('readers of events end with their runtime', async () => {
  const own = await homes.open()
  const all = (async () => {
    const types: string[] = []
    for await (const event of own.events()) types.push(event.type)
    return types
  })()
  const box = await own.create({ image, name: 'last' })
  await box.start()
  await own.close()
  const types = await all
  expect(types.filter(type => type === 'state')).toHaveLength(5)
})
