// A guest that dies from within is a failure with its cause; one that ends in order is not, whoever wanted that. The deaths
// come from an initramfs made for them (../chaos/saboteur.mjs), which is never shipped.
import { once } from 'node:events'
import { join } from 'node:path'
import { afterEach, beforeAll, expect, it } from 'vitest'
import type { Box } from '../../index.mjs'
import { writeSabotaged } from '../chaos/saboteur.mjs'
import { useHomes } from '../support/homes.js'
import { directory, file, layout } from '../support/images.js'

const homes = useHomes()
let image: string

beforeAll(async () => {
  // Its name is the sign to the saboteur; the agent carries its output, and so does not sleep.
  const doom = { ...file('bin/doom', '#!/bin/sh\nwhile :; do echo; sleep 0.2; done\n'), mode: 0o755 }
  image = await layout(homes, [[directory('bin'), doom]])
})
afterEach(() => {
  delete process.env.BOXLITE_INITRAMFS
})

/** A box that is up, and dies once `doom` runs in it. */
async function doomed(victim: 'agent' | 'zygote'): Promise<Box> {
  const initramfs = join(homes.folder(), 'initramfs.cpio')
  writeSabotaged(initramfs, victim, 'doom')
  process.env.BOXLITE_INITRAMFS = initramfs
  const runtime = await homes.open()
  const box = await runtime.create({ image, memoryMib: 128 })
  await box.start()
  delete process.env.BOXLITE_INITRAMFS
  return box
}

it.each([
  // The kernel can't go on without its init.
  ['agent', /Kernel panic.*Attempted to kill init/s],
  // The agent gives up and says why.
  ['zygote', /boxlite-guest: container: its init was killed/],
] as const)('a machine whose %s dies has failed, and says what its console said last', async (victim, words) => {
  const box = await doomed(victim)
  await box.exec('sh', ['-c', 'setsid nc -ll -p 7000 -e cat >/dev/null 2>&1 </dev/null &'])
  await box.waitForPort(7000, { timeoutMs: 30_000 })
  const connection = box.connect(7000).resume()
  await once(connection, 'connect')
  const over = new Promise(resolve => connection.once('error', resolve).once('end', resolve))
  // Lost with the connection, or killed with the container, whichever is heard first.
  const running = box.exec('doom').catch(error => error)
  const end = await box.wait()
  expect(end).toMatchObject({ state: 'failed', exitCode: null })
  expect(end.failure).toMatch(words)
  const heard = await running
  if (heard instanceof Error) expect(heard).toMatchObject({ code: 'PORTAL_LOST' })
  else expect(heard).toMatchObject({ signal: 'SIGKILL' })
  // A zygote takes the service with it, whose connections end then as any.
  const last = await over
  if (victim === 'agent') expect(last).toMatchObject({ name: 'PortalError', code: 'PORTAL_LOST' })
  expect(await box.info()).toMatchObject({ state: 'failed', failure: end.failure, pid: null })
  // It was the machine's fault, not the box's.
  expect((await box.exec('echo', ['back'])).stdout).toBe('back\n')
  await box.stop({ timeoutMs: 1000 })
  expect(await box.info()).toMatchObject({ state: 'stopped', failure: null })
})

it('no process of a box can switch its machine off', async () => {
  const runtime = await homes.open()
  const box = await runtime.create({ image, memoryMib: 128 })
  const ways = [
    'poweroff -f',
    'reboot -f',
    'halt -f',
    'poweroff',
    'reboot',
    'kill -9 1',
    'echo b > /proc/sysrq-trigger',
  ]
  for (const way of ways) await box.exec('sh', ['-c', way])
  expect((await box.exec('echo', ['still here'])).stdout).toBe('still here\n')
  expect((await box.info()).state).toBe('running')
})

it('a main process that ends leaves a box that has stopped', async () => {
  const runtime = await homes.open()
  const box = await runtime.create({ image, memoryMib: 128, cmd: ['sh', '-c', 'exit 3'] })
  await box.start()
  expect(await box.wait()).toMatchObject({ state: 'stopped', exitCode: 3, failure: null })
})
