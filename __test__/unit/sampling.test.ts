// Samples at an interval: the first at once, none stale, and no timer left behind by any way out.
import { getActiveResourcesInfo } from 'node:process'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { samples } from '../../lib/sampling.js'

const timers = () => getActiveResourcesInfo().filter(name => name === 'Timeout').length

/** Whether no timer was added to those of `before`; the test runner's own come and go meanwhile. */
async function cleared(before: number): Promise<boolean> {
  for (let tries = 0; tries < 200 && timers() > before; tries++) await sleep(25)
  return timers() <= before
}

test('it samples at once and then at the interval, while it is iterated', async () => {
  const before = timers()
  let count = 0
  const begin = performance.now()
  for await (const sample of samples('x', { intervalMs: 20 }, async () => ++count)) if (sample === 3) break
  // Node's timers may fire up to a millisecond early, each.
  expect(performance.now() - begin).toBeGreaterThanOrEqual(38)
  expect([count, await cleared(before)]).toEqual([3, true])
})

test('leaving while it waits ends the wait', async () => {
  const before = timers()
  const iterator = samples('x', { intervalMs: 1_000_000 }, async () => 1)
  await iterator.next()
  const waiting = iterator.next()
  await iterator.return?.()
  expect(await waiting).toEqual({ done: true, value: undefined })
  expect(await cleared(before)).toBe(true)
})

test('a signal ends it with `ABORTED`, a sample that fails with its error', async () => {
  const controller = new AbortController()
  const iterator = samples('box.watchMetrics', { intervalMs: 1_000_000, signal: controller.signal }, async () => 1)
  await iterator.next()
  const waiting = iterator.next()
  controller.abort()
  await expect(waiting).rejects.toMatchObject({ code: 'ABORTED' })
  expect((await iterator.next()).done).toBe(true)
  const failing = samples('x', undefined, () => Promise.reject(new Error('gone')))
  await expect(failing.next()).rejects.toThrow('gone')
  expect((await failing.next()).done).toBe(true)
})

test('wrong options are refused at once', () => {
  expect(() => samples('x', { intervalMs: 1 }, async () => 1)).toThrow(/x: option `intervalMs`/)
})
