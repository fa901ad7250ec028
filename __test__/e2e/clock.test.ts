// A box's clock is its host's, also after shim and engine stood still for a while.
import { readFileSync } from 'node:fs'
import { beforeAll, expect, it } from 'vitest'
import type { Box, Runtime } from '../../index.mjs'
import { useHomes } from '../support/homes.js'
import { layout } from '../support/images.js'
import { machinesOf } from '../support/leaks.js'

const homes = useHomes()
let runtime: Runtime
let image: string

beforeAll(async () => {
  runtime = await homes.open()
  image = await layout(homes)
})

/** Seconds between the host's clock and the box's, beyond what asking takes. */
async function off(box: Box): Promise<number> {
  const before = Date.now()
  const seconds = Number((await box.exec('date', ['+%s'])).stdout)
  const after = Date.now()
  // `date` tells whole seconds.
  return Math.max(0, before / 1000 - seconds - 1, seconds - after / 1000)
}

it('is right again within seconds after shim and engine were stopped', async () => {
  const box = await runtime.create({ image })
  await box.start()
  expect(await off(box)).toBe(0)
  const pids = machinesOf(homes.base).map(line => Number(/process (\d+)/.exec(line)?.[1]))
  expect(pids.length).toBeGreaterThan(0)
  for (const pid of pids) process.kill(pid, 'SIGSTOP')
  await expect.poll(() => pids.every(pid => / T /.test(readFileSync(`/proc/${pid}/stat`, 'utf8')))).toBe(true)
  await new Promise(resolve => setTimeout(resolve, 8000))
  for (const pid of pids) process.kill(pid, 'SIGCONT')
  await expect.poll(() => off(box), { timeout: 30_000 }).toBe(0)
  await box.remove({ force: true })
})
