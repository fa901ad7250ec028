// Programs in unusual surroundings: another umask, SIGCHLD ignored. Their boxes work, and what they make is their user's alone.
import { lstatSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, expect, it } from 'vitest'
import { useHomes } from '../support/homes.js'
import { layout } from '../support/images.js'
import { machinesOf } from '../support/leaks.js'
import { Peer } from '../support/peer.js'

const homes = useHomes()
let image: string

beforeAll(async () => {
  image = await layout(homes)
})

/** Everything below `folder`, that is no image's, with the mode's last nine bits. */
function modesBelow(folder: string): { path: string; mode: number; folder: boolean }[] {
  return readdirSync(folder).flatMap(name => {
    const path = join(folder, name)
    const stat = lstatSync(path)
    const entry = { path, mode: stat.mode & 0o777, folder: stat.isDirectory() }
    return stat.isDirectory() && name !== 'images' ? [entry, ...modesBelow(path)] : [entry]
  })
}

it.each(['000', '077', '277'])('under umask %s everything of a box is for its user alone', async umask => {
  const home = join(homes.folder(), 'home')
  const peer = await Peer.start(home, {}, ['sh', '-c', `umask ${umask}; exec "$@"`, 'sh'])
  try {
    await peer.run(async (runtime, image) => {
      const box = await runtime.create({ image, memoryMib: 128, main: true, cmd: ['sleep', '1000'] })
      await box.exec('true', { check: true })
      await box.update({ labels: { a: 'b' } })
    }, image)
    const made = modesBelow(home)
    expect(made.map(({ path }) => path).some(path => path.endsWith('portal.sock'))).toBe(true)
    expect(made.map(({ path }) => path).some(path => path.endsWith('disk.qcow2'))).toBe(true)
    const wrong = made.filter(({ mode, folder }) => mode !== (folder ? 0o700 : 0o600))
    expect(wrong.map(({ path, mode }) => `${mode.toString(8)} ${path}`)).toEqual([])
    await peer.run(runtime => runtime.close(), null)
  } finally {
    await peer.kill()
  }
})

it('a program that ignores SIGCHLD has boxes, sees their ends, and leaves no process', async () => {
  const home = homes.folder()
  const peer = await Peer.start(home, {}, ['sh', '-c', `trap '' CHLD; exec "$@"`, 'sh'])
  try {
    const seen = await peer.run(async (runtime, image) => {
      const box = await runtime.create({ image, memoryMib: 128 })
      const { stdout } = await box.exec('echo', ['here'])
      const end = box.wait()
      await box.stop({ timeoutMs: 500 })
      const { state, failure } = await end
      await box.start()
      const { pid } = await box.info()
      process.kill(pid as number, 'SIGKILL')
      return [stdout, state, failure, (await box.wait()).state]
    }, image)
    expect(seen).toEqual(['here\n', 'stopped', null, 'failed'])
    await peer.run(runtime => runtime.close(), null)
    expect(machinesOf(home)).toEqual([])
  } finally {
    await peer.kill()
  }
})
