// One AbortSignal for many operations: each is aborted, and no listener is left and no warning emitted.
import { getEventListeners, once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { onAbort } from '../../lib/abort.js'
import { samples } from '../../lib/sampling.js'
import { exit, run } from './fake.js'

const listeners = (signal: AbortSignal) => getEventListeners(signal, 'abort').length

test('thirty commands with one signal warn of nothing and leave nothing', async () => {
  const warnings: string[] = []
  const hear = (warning: Error) => warnings.push(warning.name)
  process.on('warning', hear)
  const { signal } = new AbortController()
  const children = Array.from({ length: 30 }, () => run([[exit()]], { signal }).child)
  const watches = Array.from({ length: 30 }, () => samples('x', { intervalMs: 20, signal }, async () => 1))
  await Promise.all(watches.map(async watch => [await watch.next(), await watch.next()]))
  await Promise.all(children.map(child => child.wait()))
  await Promise.all(watches.map(watch => watch.return?.()))
  // Warnings are emitted in a later turn.
  await sleep(1)
  process.off('warning', hear)
  expect(warnings).toEqual([])
  expect(listeners(signal)).toBe(0)
})

test('each is aborted once, those that are over are not', async () => {
  const controller = new AbortController()
  const heard: number[] = []
  const ends = [1, 2, 3].map(number => onAbort(controller.signal, () => heard.push(number)))
  expect(listeners(controller.signal)).toBe(1)
  ends[1]?.()
  const aborted = once(controller.signal, 'abort')
  controller.abort()
  await aborted
  expect(heard).toEqual([1, 3])
  for (const end of ends) end()
  expect(listeners(controller.signal)).toBe(0)
})
