// A home may lie anywhere: behind a path that no socket and no disk image has room for, with any characters in it, behind a link.
import { mkdirSync, readdirSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import type { Runtime } from '../../index.mjs'
import { failure } from '../support/failures.js'
import { useHomes } from '../support/homes.js'
import { layout } from '../support/images.js'
import { Peer } from '../support/peer.js'

const homes = useHomes()
let image: string

beforeAll(async () => {
  image = await layout(homes)
})

/** A path below a folder of this test, `bytes` long in all. */
function pathOf(bytes: number): string {
  const base = homes.folder()
  let path = base
  while (bytes - path.length > 150) path = join(path, 'x'.repeat(100))
  return join(path, 'y'.repeat(bytes - path.length - 1))
}

/** A life of a box in which every file of a home has its part. */
async function useBox(runtime: Runtime, home: string): Promise<void> {
  const box = await runtime.create({ image, name: 'b', cmd: ['sh', '-c', 'echo main; sleep 600'], detached: true })
  expect((await box.exec('sh', ['-c', 'echo kept > /note; cat /note'])).stdout).toBe('kept\n')
  const peer = await Peer.start(home)
  try {
    const joined = await peer.run(async theirs => (await (await theirs.get('b')).exec('cat', ['/note'])).stdout, null)
    expect(joined).toBe('kept\n')
  } finally {
    await peer.kill()
  }
  await box.restart()
  expect(await box.fs.readFile('/note', 'utf8')).toBe('kept\n')
  await expect
    .poll(async () => {
      const pieces: string[] = []
      for await (const entry of box.logs()) if (entry.stream === 'stdout') pieces.push(entry.data.toString())
      return pieces.join('')
    })
    .toContain('main')
  await box.stop()
  await box.remove()
  expect(readdirSync(join(home, 'boxes'))).toEqual([])
}

describe('a home', () => {
  it.each([
    ['of 71 bytes', () => pathOf(71)],
    ['of 72 bytes', () => pathOf(72)],
    ['of 1 200 bytes, more than a disk image can name', () => pathOf(1200)],
    ['of 3 800 bytes', () => pathOf(3800)],
    [
      'with commas, quotes, spaces, newlines and letters of all kinds',
      () => join(homes.folder(), 'a,b=c "d" \'e\' ü 箱\n%s\\'),
    ],
    ['with a slash at its end', () => `${homes.folder()}/`],
  ])('%s has boxes that work', async (_, path) => {
    const home = path()
    await useBox(await homes.open({ home }), home)
  })

  it('behind a link, or named from the working directory, is the same home', async () => {
    const home = pathOf(150)
    const [linked, near] = [join(homes.folder(), 'link'), relative(process.cwd(), home)]
    mkdirSync(home, { recursive: true })
    symlinkSync(home, linked)
    const runtimes = [await homes.open({ home: linked }), await homes.open({ home: near }), await homes.open({ home })]
    await useBox(runtimes[0] as Runtime, home)
    const { id } = await (runtimes[0] as Runtime).create({ image })
    for (const runtime of runtimes) expect(await runtime.list()).toMatchObject([{ id }])
  })

  it('that leaves no room for its files is refused, and not made', async () => {
    const error = await failure(homes.open({ home: pathOf(3900) }), 'INVALID_ARGUMENT')
    expect(error.message).toContain('3839 bytes')
    expect(readdirSync(join(homes.base, 'tmp'))).toEqual([])
  })

  it('keeps nothing elsewhere', () => {
    const uid = process.getuid?.()
    expect(readdirSync(tmpdir()).filter(name => name === `boxlite-${uid}`)).toEqual([])
  })
})
