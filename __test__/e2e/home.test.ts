// One home, several processes: the second is refused by name of the first, and a first that is killed leaves no machine.
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { expect, it } from 'vitest'
import { failure } from '../support/failures.js'
import { engine, useHomes } from '../support/homes.js'
import { layout } from '../support/images.js'
import { machinesOf } from '../support/leaks.js'

const homes = useHomes()
const holder = fileURLToPath(new URL('../support/holder.mjs', import.meta.url))

/** Another Node process that opens `home`, runs a box in it and then waits. */
async function startHolder(home: string, image: string): Promise<ChildProcess> {
  const child = spawn(process.execPath, [holder, home, engine, image], { stdio: ['ignore', 'pipe', 'inherit'] })
  const [line] = await Promise.race([once(child.stdout, 'data'), once(child, 'exit')])
  expect(String(line)).toBe('running\n')
  return child
}

it('is held by one process; a killed holder leaves nothing that runs', async () => {
  const home = homes.folder()
  const image = await layout(homes)
  const child = await startHolder(home, image)
  expect(machinesOf(home)).not.toEqual([])

  const error = await failure(homes.open({ home }), 'HOME_LOCKED')
  expect(error.message).toContain(`${child.pid}`)

  child.kill('SIGKILL')
  await once(child, 'exit')
  await expect.poll(() => machinesOf(homes.base), { timeout: 10_000 }).toEqual([])

  const runtime = await homes.open({ home })
  const box = await runtime.get('held')
  expect((await box.info()).state).toBe('stopped')
  expect((await box.exec('cat', ['/root/note'])).stdout).toBe('synced\n')
  await box.remove({ force: true })
})
