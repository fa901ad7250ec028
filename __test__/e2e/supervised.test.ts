// What only the guest knows, seen from outside: its main process and what that wrote, health, limits, want of memory.
import { expect, it } from 'vitest'
import type { Box, LogEntry, LogsOptions, Runtime, RuntimeEvent } from '../../index.mjs'
import { useHomes } from '../support/homes.js'
import { next } from '../support/observed.js'
import { useRuntime } from '../support/runtime.js'

const homes = useHomes()
let runtime: Runtime
let image: string

useRuntime(homes, made => {
  runtime = made.runtime
  image = made.image
})

async function logsOf(box: Box, options?: LogsOptions): Promise<LogEntry[]> {
  const entries: LogEntry[] = []
  for await (const entry of box.logs(options)) entries.push(entry)
  return entries
}

const text = (entries: LogEntry[], stream: string) =>
  entries.map(entry => (entry.stream === stream && 'data' in entry ? entry.data.toString() : '')).join('')

it('a main process is reported and its output retained', async () => {
  const box = await runtime.create({
    image,
    name: 'main',
    cmd: ['sh', '-c', 'echo out; echo err >&2; while [ ! -e /go ]; do sleep 0.1; done; echo last; exit 3'],
    healthCheck: { command: 'test -e /ok', intervalMs: 100, retries: 1 },
  })
  const started = next(box.events(), { type: 'main', action: 'started' })
  const ended = next(box.events(), { type: 'main', action: 'exited' })
  const sick = next(box.events(), { type: 'health', health: 'unhealthy' })
  const well = next(box.events(), { type: 'health', health: 'healthy' })
  await box.start()
  expect(await started).toMatchObject({ boxId: box.id, restarts: 0 })
  expect(await sick).toMatchObject({ boxId: box.id, failures: 1 })
  expect((await box.info()).health).toBe('unhealthy')
  const following = logsOf(box, { follow: true })
  await box.exec('touch', ['/ok'])
  expect(await well).toMatchObject({ failures: 0 })
  await box.exec('touch', ['/go'])
  expect(await ended).toMatchObject({ exitCode: 3, signal: null, restarting: false })
  const followed = await following
  expect([text(followed, 'stdout'), text(followed, 'stderr')]).toEqual(['out\nlast\n', 'err\n'])
  const kept = await logsOf(box)
  expect(kept).toEqual(followed)
  const last = kept.at(-1)?.time as Date
  expect(Math.abs(last.getTime() - Date.now())).toBeLessThan(60_000)
  expect(text(await logsOf(box, { since: last }), 'stdout')).toBe('last\n')
  expect((await box.info()).health).toBeNull()
  await box.remove({ force: true })
})

it('a limit is reported before it ends the box', async () => {
  const box = await runtime.create({ image, maxLifetimeMs: 500 })
  const limit = next(box.events(), { type: 'limit' })
  await box.start()
  expect(await limit).toMatchObject({ boxId: box.id, limit: 'maxLifetimeMs' })
  expect(await box.wait()).toMatchObject({ state: 'stopped' })
  await box.remove()
})

it('out of memory is reported once', async () => {
  const box = await runtime.create({ image, memoryMib: 128 })
  const events = box.events()
  const ooms: RuntimeEvent[] = []
  events.on('oom', event => ooms.push(event))
  const child = box.spawn('tail', ['/dev/zero'])
  await child.started
  const { oomKilled } = await child.wait()
  expect(oomKilled).toBe(true)
  await expect.poll(() => ooms, { timeout: 10_000 }).toMatchObject([{ boxId: box.id }])
  // The kernel does not say whom it killed; the guest can't always tell.
  expect([child.id, null]).toContain((ooms[0] as Extract<RuntimeEvent, { type: 'oom' }>).executionId)
  expect((await box.metrics()).oomKills).toBeGreaterThan(0)
  await box.remove({ force: true })
})
