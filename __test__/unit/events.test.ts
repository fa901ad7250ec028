// `Events` over a fake of the native half: listeners, iterators, what is slow, and every way to its end.
import { setImmediate as turn } from 'node:timers/promises'
import { expect, onTestFinished, test, vi } from 'vitest'
import type { NativeEvent, NativeEvents } from '../../lib/binding.js'
import type { RuntimeEvent } from '../../lib/event.js'
import { type Events, type EventsOptions, makeEvents } from '../../lib/events.js'

class FakeEvents implements NativeEvents {
  waiting: NativeEvent[] = []
  closed = false
  over = false
  wake = () => {}

  tell(...kinds: NativeEvent['kind'][]): void {
    this.give(...kinds.map(kind => ({ kind })))
  }

  give(...events: (Partial<NativeEvent> & Pick<NativeEvent, 'kind'>)[]): void {
    this.waiting.push(...events.map(event => ({ time_ms: 5, box_id: 'b', signal: null, ...event })))
    this.wake()
  }

  drain(): NativeEvent[] | null {
    const events = this.waiting.splice(0)
    return this.over && events.length === 0 ? null : events
  }

  close(): void {
    this.closed = true
  }
}

async function listen(options?: EventsOptions): Promise<{ fake: FakeEvents; events: Events }> {
  const fake = new FakeEvents()
  const events = makeEvents(
    'runtime.events',
    async wake => {
      fake.wake = wake
      return fake
    },
    options,
  )
  await turn()
  return { fake, events }
}

test('a refusal says what was refused, and by which rule', async () => {
  const { fake, events } = await listen()
  const seen: RuntimeEvent[] = []
  events.on('network', event => seen.push(event))
  const refusal = { address: null, port: 0, protocol: 'udp', name: 'a.example', rule: 'default', count: 2 }
  fake.tell({ network: refusal })
  expect(seen).toEqual([{ type: 'network', time: new Date(5), boxId: 'b', ...refusal }])
})

/** How many intervals that were begun from now on keep the program alive. Other timers of the test's process come and go. */
function countIntervals(): () => number {
  const [begun, cleared] = [vi.spyOn(globalThis, 'setInterval'), vi.spyOn(globalThis, 'clearInterval')]
  onTestFinished(() => {
    begun.mockRestore()
    cleared.mockRestore()
  })
  return () => {
    const over = new Set(cleared.mock.calls.map(([timer]) => timer))
    return begun.mock.results.filter(({ value }) => !over.has(value) && value.hasRef()).length
  }
}

test('listeners get their type and everything, also what came before them', async () => {
  const { fake, events } = await listen()
  fake.tell({ out_of_memory: { execution_id: 'e' } })
  const of: unknown[] = []
  events.on('oom', event => of.push(event.executionId))
  events.on('event', event => of.push(event.type))
  await turn()
  fake.tell({ state: { from: 'created', to: 'starting', failure: null } }, { lost: 3 })
  expect(of).toEqual(['e', 'oom', 'state', 'lost'])
})

test('an iteration gets everything in order, keeps the program alive and lets go of it', async () => {
  const { fake, events } = await listen()
  const intervals = countIntervals()
  const seen: string[] = []
  const reading = (async () => {
    for await (const event of events) {
      if (event.type === 'exec') seen.push(event.action)
      if (event.type === 'limit') break
    }
  })()
  await turn()
  expect(intervals()).toBe(1)
  fake.tell({ exec_started: { execution_id: 'e', command: 'ls', pid: 1 } })
  await turn()
  fake.tell(
    { exec_exited: { execution_id: 'e', exit: { code: 0, timed_out: false, oom_killed: false } } },
    { limit: 'idle_timeout' },
  )
  await reading
  expect(seen).toEqual(['started', 'exited'])
  expect(intervals()).toBe(0)
  expect(fake.closed).toBe(true)
})

test('several iterators each get everything; a slow one loses the oldest and gets their number', async () => {
  const { fake, events } = await listen()
  const [fast, slow] = [events[Symbol.asyncIterator](), events[Symbol.asyncIterator]()]
  const first = slow.next()
  const quick: RuntimeEvent[] = []
  const reading = (async () => {
    for await (const event of fast) quick.push(event)
  })()
  await turn()
  for (let i = 0; i < 1030; i += 1) {
    fake.tell({ out_of_memory: { execution_id: `${i}` } })
    await turn()
  }
  expect((await first).value).toMatchObject({ executionId: '0' })
  expect((await slow.next()).value).toMatchObject({ type: 'lost', count: 5 })
  expect((await slow.next()).value).toMatchObject({ executionId: '6' })
  events.close()
  await reading
  expect(quick).toHaveLength(1030)
})

test('an end of the runtime gives the rest and ends everybody', async () => {
  const { fake, events } = await listen()
  let closed = 0
  events.on('close', () => {
    closed += 1
  })
  const reading = (async () => {
    const all: RuntimeEvent[] = []
    for await (const event of events) all.push(event)
    return all
  })()
  await turn()
  fake.over = true
  fake.tell({ lost: 1 })
  fake.wake()
  expect(await reading).toHaveLength(1)
  expect([closed, fake.closed]).toEqual([1, true])
})

test('a signal ends it, before and while it listens', async () => {
  const controller = new AbortController()
  const { fake, events } = await listen({ signal: controller.signal })
  const next = events[Symbol.asyncIterator]().next()
  await turn()
  controller.abort(new Error('enough'))
  await expect(next).rejects.toMatchObject({ code: 'ABORTED', cause: { message: 'enough' } })
  expect(fake.closed).toBe(true)
  const { events: late } = await listen({ signal: controller.signal })
  await expect(late[Symbol.asyncIterator]().next()).rejects.toMatchObject({ code: 'ABORTED' })
})

test('a failure to subscribe rejects the iteration', async () => {
  const events = makeEvents('runtime.events', () => Promise.reject(new Error('no home')), undefined)
  await turn()
  await expect(events[Symbol.asyncIterator]().next()).rejects.toThrow('no home')
})

test('every event has its shape', async () => {
  const { fake, events } = await listen()
  const seen: RuntimeEvent[] = []
  events.on('event', event => seen.push(event))
  const exit = { code: null, timed_out: true, oom_killed: false }
  fake.give(
    { kind: { state: { from: null, to: 'created', failure: null } } },
    { kind: { state: { from: 'stopped', to: null, failure: null } } },
    { kind: { exec_exited: { execution_id: 'e', exit } }, signal: 'SIGKILL' },
    { kind: { main_started: { pid: 7, restarts: 0 } } },
    { kind: { main_exited: { code: 1, oom: false, restarts: true } } },
    { kind: { health: { health: 'unhealthy', failures: 3, output: 'refused' } } },
    { kind: { limit: 'ends_at' } },
    { kind: { pull: { source: 'a', phase: 'started' } }, box_id: null },
    { kind: { pull: { source: 'a', phase: { done: { digest: 'd' } } } } },
    { kind: { pull: { source: 'a', phase: { failed: { code: 'IMAGE_NOT_FOUND', message: 'm' } } } }, box_id: null },
    { kind: { lost: 2 }, box_id: null },
  )
  const time = new Date(5)
  expect(seen).toEqual([
    { type: 'state', time, boxId: 'b', from: null, to: 'created', failure: null },
    { type: 'state', time, boxId: 'b', from: 'stopped', to: 'removed', failure: null },
    {
      type: 'exec',
      time,
      boxId: 'b',
      action: 'exited',
      executionId: 'e',
      exitCode: null,
      signal: 'SIGKILL',
      timedOut: true,
      oomKilled: false,
    },
    { type: 'main', time, boxId: 'b', action: 'started', pid: 7, restarts: 0 },
    {
      type: 'main',
      time,
      boxId: 'b',
      action: 'exited',
      exitCode: 1,
      signal: null,
      oomKilled: false,
      restarting: true,
    },
    { type: 'health', time, boxId: 'b', health: 'unhealthy', failures: 3, output: 'refused' },
    { type: 'limit', time, boxId: 'b', limit: 'endsAt' },
    { type: 'pull', time, boxId: null, action: 'started', source: 'a' },
    { type: 'pull', time, boxId: 'b', action: 'done', source: 'a', digest: 'd' },
    { type: 'pull', time, boxId: null, action: 'failed', source: 'a', code: 'IMAGE_NOT_FOUND', message: 'm' },
    { type: 'lost', time, count: 2 },
  ])
})
