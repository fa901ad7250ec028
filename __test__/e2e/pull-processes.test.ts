// Pulls in processes of their own: several at once that share a home, and some that are killed with SIGKILL wherever they are.
import { type ChildProcess, spawn } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { capture } from '../../scripts/command.mjs'
import { type LoopbackRegistry, serveLayout } from '../../scripts/image/registry.mjs'
import { diskFaults } from '../support/disks.js'
import { useHomes } from '../support/homes.js'
import { type Entry, file, layout } from '../support/images.js'

/** Repeats a run that failed: BOXLITE_TEST_SEED=… */
const seed = Number(process.env.BOXLITE_TEST_SEED ?? Date.now() % 1_000_000)
/** Kills that came before the end of the pull, of which there have to be so many. */
const KILLS = 6

const homes = useHomes()
const puller = fileURLToPath(new URL('../support/puller.mjs', import.meta.url))
let registry: LoopbackRegistry
let image: string
/** A home into which the image was pulled without any trouble, and how long that took. */
let reference: string
let duration: number

beforeAll(async () => {
  const noise = (path: string, mebibytes: number): Entry => ({ path, content: randomBytes(mebibytes << 20) })
  registry = await serveLayout(await layout(homes, [[noise('a', 4)], [noise('b', 3)], [file('c', 'small')]]))
  image = `${registry.host}/noise:1`
  reference = homes.folder()
  const child = await start(reference)
  const began = performance.now()
  expect(await ended(child)).toMatch(/^pulled sha256/)
  duration = performance.now() - began
})
afterAll(() => registry.stop())

/** A process that has begun to pull into `home`. */
async function start(home: string): Promise<ChildProcess> {
  const child = spawn(process.execPath, [puller, home, image], { stdio: ['ignore', 'pipe', 'inherit'] })
  const [line] = await Promise.race([once(child.stdout, 'data'), once(child, 'exit')])
  expect(String(line)).toMatch(/^pulling\n/)
  return child
}

/** What it says until it ends. */
async function ended(child: ChildProcess): Promise<string> {
  let output = ''
  child.stdout?.on('data', data => {
    output += data
  })
  await once(child, 'close')
  return output
}

/** The files of a home's cache by name, and that each whole blob is what its name says. */
function cache(home: string): string[] {
  const folder = join(home, 'images')
  const names = readdirSync(folder, { recursive: true }).map(String).sort()
  for (const name of names.filter(name => /^blobs\/sha256\/[0-9a-f]{64}$/.test(name))) {
    const digest = createHash('sha256')
      .update(readFileSync(join(folder, name)))
      .digest('hex')
    expect(name, `seed ${seed}`).toBe(`blobs/sha256/${digest}`)
  }
  return names
}

/** The same bytes, read by a program that passes over holes. */
async function sameDisk(home: string) {
  const disk = (of: string) => {
    const folder = join(of, 'images/disks')
    return join(folder, readdirSync(folder).find(name => name.endsWith('.ext4')) ?? 'none')
  }
  const result = await capture('qemu-img', ['compare', '-f', 'raw', '-F', 'raw', disk(reference), disk(home)])
  expect(result.output).toContain('Images are identical')
}

it('that share a home fetch every blob once and make one root disk', async () => {
  const home = homes.folder()
  const before = registry.requests.length
  const children = await Promise.all([start(home), start(home), start(home)])
  for (const output of await Promise.all(children.map(ended))) expect(output).toMatch(/^pulled sha256/)
  const blobs = registry.requests.slice(before).filter(path => path.includes('/blobs/'))
  expect(new Set(blobs).size).toBe(blobs.length)
  expect(cache(home)).toEqual(cache(reference))
  await sameDisk(home)
})

it('that are killed at any moment lose nothing and leave nothing', async () => {
  // xorshift32: the same moments for the same seed.
  let state = seed | 1
  const chance = () => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return (state >>> 0) / 2 ** 32
  }
  let home = homes.folder()
  let fresh = true
  // The latest moment that may lie before the end of a pull: the machine may be quicker now than it was.
  let latest = duration
  for (let attempt = 0, early = 0; early < KILLS; attempt++) {
    expect(attempt, `seed ${seed}: kills, of which ${early} came before the end`).toBeLessThan(10 * KILLS)
    const child = await start(home)
    const exit = once(child, 'exit')
    const moment = chance() * latest
    await sleep(moment)
    child.kill('SIGKILL')
    await exit
    const names = cache(home)
    const strange = names.filter(
      name =>
        !/^(blobs(\/sha256(\/[0-9a-f]{64}(\.partial)?)?)?|disks(\/[\w-]+\.ext4(\.tmp)?)?|index\.json|\.writing-\w+|\w+\.lock)$/.test(
          name,
        ),
    )
    expect(strange, `seed ${seed}`).toEqual([])
    if (existsSync(join(home, 'images/index.json'))) JSON.parse(readFileSync(join(home, 'images/index.json'), 'utf8'))
    const finished = names.some(name => name.endsWith('.ext4'))
    if (finished && fresh) latest = moment
    if (!finished) early++
    fresh = chance() < 0.4 || finished
    // Some go on from what several killed pulls left, some start anew.
    if (fresh) {
      if (finished) await sameDisk(home)
      expect(await ended(await start(home)), `seed ${seed}`).toMatch(/^pulled sha256/)
      expect(cache(home), `seed ${seed}`).toEqual(cache(reference))
      await sameDisk(home)
      expect(await diskFaults(home), `seed ${seed}`).toEqual([])
      rmSync(home, { recursive: true })
      home = homes.folder()
    }
  }
  expect(await ended(await start(home)), `seed ${seed}`).toMatch(/^pulled sha256/)
  expect(cache(home), `seed ${seed}`).toEqual(cache(reference))
})
