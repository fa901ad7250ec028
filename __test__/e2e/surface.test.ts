// On a real box: what is refused was not done, and what the checks let pass is what the addon takes. The whole table is in
// `unit/surface`, whose edge this holds to the truth.
import { expect, it } from 'vitest'
import type { Box, Runtime } from '../../index.mjs'
import { useHomes } from '../support/homes.js'
import { useRuntime } from '../support/runtime.js'

const homes = useHomes()
let runtime: Runtime
let image: string

useRuntime(homes, made => {
  runtime = made.runtime
  image = made.image
})

const refused = { name: 'InvalidArgumentError', code: 'INVALID_ARGUMENT' }
/** As a program without types would call it. */
const loosely = (box: Box) => box as unknown as Record<string, (...given: unknown[]) => Promise<unknown>>

it('what is refused neither starts a box nor changes one', async () => {
  const box = await runtime.create({ image, name: 'untouched' })
  const { exec, copyIn, copyOut, update, remove, stop } = loosely(box)
  const wrong: (() => unknown)[] = [
    () => exec?.('true', ['a', undefined]),
    () => exec?.('true', [], { timeoutMs: Number.NaN }),
    () => exec?.('true', [], Object.create({ cwd: 5 })),
    () => exec?.('true', new Array(3)),
    () => box.sh({ check: 'yes' as never })`true`,
    () => copyIn?.(['/etc/hosts'], '/tmp'),
    () => copyOut?.('/etc', Buffer.alloc(9)),
    () => copyIn?.('/etc/hosts', '/tmp', { sparse: true }),
    () => update?.({ name: 'changed', labels: { a: 1 } }),
    () => update?.(),
    () => remove?.({ force: 'yes' }),
    () => stop?.(5),
  ]
  for (const call of wrong) await expect(Promise.resolve().then(call), String(call)).rejects.toMatchObject(refused)
  expect(await box.info()).toMatchObject({ state: 'created', name: 'untouched', labels: {} })
  await expect(runtime.create({ image, name: 'new', cpus: 0.5 })).rejects.toMatchObject(refused)
  expect(await runtime.list({ name: 'new' })).toEqual([])
  await box.remove()
})

it('the largest and the oddest values that pass reach the box', async () => {
  const box = await runtime.create({
    image,
    cmd: ['sleep', '600'],
    maxLifetimeMs: 366 * 24 * 60 * 60 * 1000,
    labels: { odd: '\ud800' },
    restart: { maxRetries: 2 ** 32 - 1, delayMs: 2 ** 31 - 1 },
    healthCheck: { command: 'true', intervalMs: 2 ** 31 - 1, retries: 2 ** 32 - 1 },
  })
  const options = { timeoutMs: 2 ** 31 - 1, maxBuffer: Number.MAX_SAFE_INTEGER, user: 0, env: { A: '\ud800' } }
  const { stdout } = await box.exec('sh', ['-c', 'echo "$A"'], options)
  // As Node writes a lone surrogate: the replacement character.
  expect(stdout).toBe('\ufffd\n')
  expect(await box.logs({ since: Number.MAX_SAFE_INTEGER }).next()).toEqual({ done: true, value: undefined })
  expect(await runtime.images.prune({ unusedForMs: 2 ** 31 - 1 })).toMatchObject({ images: [] })
  await box.stop({ timeoutMs: 2 ** 31 - 1 })
  await box.remove({ force: true })
})
