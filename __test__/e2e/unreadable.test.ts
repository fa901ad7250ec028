// A box that can't be read hides and harms no other; what could not be read again is refused before anything is made.
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import type { Box, Runtime } from '../../index.mjs'
import { failure } from '../support/failures.js'
import { useHomes } from '../support/homes.js'
import { layout } from '../support/images.js'
import { machinesOf } from '../support/leaks.js'

const homes = useHomes()
let home: string
let image: string
let runtime: Runtime

beforeAll(async () => {
  home = homes.folder()
  runtime = await homes.open({ home })
  image = await layout(homes)
})

const boxes = () => readdirSync(join(home, 'boxes'))

/** Variables of 100 000 bytes each, which is within Linux's limits for one. */
const many = (count: number, letter = 'x') =>
  Object.fromEntries(Array.from({ length: count }, (_, i) => [`A${i}`, letter.repeat(100_000)]))

describe('options of a box', () => {
  it.each([
    ['env', { env: many(15) }],
    [
      'env in small pieces',
      { env: Object.fromEntries(Array.from({ length: 20_000 }, (_, i) => [`V${i}`, 'x'.repeat(60)])) },
    ],
    [
      'words of commands in sum',
      {
        cmd: ['sh', 'x'.repeat(100_000)],
        healthCheck: { command: ['sh', 'x'.repeat(100_000)] },
        env: many(9),
      },
    ],
  ])('that could not be read again are refused, and nothing is made: %s', async (_, options) => {
    const error = await failure(runtime.create({ image, name: 'big', ...options }), 'INVALID_ARGUMENT')
    expect(error.message).toContain('1048576 bytes')
    expect(error.message.length).toBeLessThan(1000)
    expect(boxes()).toEqual([])
  })

  it('that just fit make a box that is found again', async () => {
    const box = await runtime.create({ image, name: 'fits', env: many(5, '"') })
    expect(await runtime.list()).toMatchObject([{ name: 'fits', state: 'created' }])
    await failure(
      box.update({ labels: Object.fromEntries(Array.from({ length: 64 }, (_, i) => [`l${i}`, 'x'.repeat(4096)])) }),
      'INVALID_ARGUMENT',
    )
    expect((await box.info()).labels).toEqual({})
    await box.remove()
  })
})

describe('a box whose config is damaged', () => {
  it('is listed, keeps its name, and can be removed by force while it runs', async () => {
    const [good, bad] = [
      await runtime.create({ image, name: 'good' }),
      await runtime.create({ image, name: 'bad', detached: true }),
    ]
    await Promise.all([good.start(), bad.start()])
    const config = join(home, 'boxes', bad.id, 'config.json')
    writeFileSync(config, readFileSync(config, 'utf8').replace('"cpus": 1', '"cpus": "one"'))
    expect(await runtime.list()).toMatchObject([
      { name: 'good', state: 'running' },
      { name: 'bad', state: 'failed', failure: expect.stringContaining('config.json') },
    ])
    await failure(runtime.create({ image, name: 'bad' }), 'BOX_NAME_TAKEN')
    const error = await failure(runtime.get('bad'), 'STORAGE_CORRUPT')
    expect(error.hint).toContain('force: true')
    await failure(runtime.remove(bad.id), 'STORAGE_CORRUPT')
    // Its image is the one that its disk lies on; no other is kept for it.
    await runtime.images.prune()
    expect((await runtime.images.list()).length).toBe(1)
    await runtime.remove(bad.id, { force: true })
    expect(existsSync(join(home, 'boxes', bad.id))).toBe(false)
    await expect.poll(() => machinesOf(homes.base).length).toBe(2)
    expect((await good.exec('echo', ['well'])).stdout).toBe('well\n')
    await good.remove({ force: true })
  })

  it.each([
    ['its own handle', (box: Box) => box.remove({ force: true })],
    ['its name', () => runtime.remove('bad', { force: true })],
  ])('is removed by %s', async (_, remove) => {
    const box = await runtime.create({ image, name: 'bad' })
    writeFileSync(join(home, 'boxes', box.id, 'config.json'), '{\n  "version": 1,\n  "name": "bad",\n  "cpus": {')
    await remove(box)
    expect(boxes()).toEqual([])
    await failure(box.start(), 'BOX_REMOVED')
  })

  it('is removed even where nothing of it is as it should be', async () => {
    const id = '0123456789ab'
    mkdirSync(join(home, 'boxes', id, 'config.json'), { recursive: true })
    expect(await runtime.list()).toMatchObject([{ id, name: null, state: 'failed' }])
    await runtime.remove(id, { force: true })
    expect(boxes()).toEqual([])
  })
})

it('a start that failed is reported however long its reason is', async () => {
  const box = await runtime.create({ image: `${'x/'.repeat(100_000)}nowhere:1`, env: { A: 'x' } })
  const error = await box.start().catch(error => error)
  expect(error.message.length).toBeLessThan(10_000)
  expect(await box.info()).toMatchObject({ state: 'failed', failure: error.message })
  await box.remove()
  expect(statSync(join(home, 'logs/boxlite.log')).size).toBeLessThan(1 << 20)
})
