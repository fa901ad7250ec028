// The health of a box, checked inside it by a command or a port, told when it changes.
import { expect, it } from 'vitest'
import type { Runtime } from '../../index.mjs'
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

it('follows a command, which leaves nothing behind and is nobody’s execution', async () => {
  const healthCheck = { command: 'sleep 600 & echo looking; test -e /fine', intervalMs: 100, retries: 2 }
  const box = await runtime.create({ image, healthCheck })
  const events = box.events()
  await box.start()
  const sick = await next(events, { type: 'health', health: 'unhealthy' })
  expect(sick).toMatchObject({ failures: 2, output: 'looking' })
  await box.fs.writeFile('/fine', '')
  expect(await next(events, { type: 'health', health: 'healthy' })).toMatchObject({ failures: 0 })
  expect(await box.executions()).toEqual([])
  // One may be at it; none of those before it has left its child.
  const { stdout } = await box.exec('sh', ['-c', 'ps | grep -c "[s]leep 600"'])
  expect(Number(stdout)).toBeLessThanOrEqual(1)
  events.close()
  await box.remove({ force: true })
})

it('follows a port of the main process, from its start on', async () => {
  const healthCheck = { tcpPort: 8080, intervalMs: 100, startPeriodMs: 60_000 }
  const box = await runtime.create({ image, cmd: ['sh', '-c', 'sleep 0.5; exec httpd -f -p 8080'], healthCheck })
  const events = box.events()
  await box.start()
  await next(events, { type: 'health', health: 'healthy' })
  events.close()
  await box.remove({ force: true })
})
