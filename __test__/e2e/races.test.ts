// Symlink races: a process in the box swaps folders for symlinks, without pause, while the host copies, lists and removes
// them. What lies beyond the symlinks stays as it is, in the box and on the host, and none of it comes out.
import { existsSync, lstatSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { beforeAll, describe, expect, it } from 'vitest'
import { type Box, FileError } from '../../index.mjs'
import { capture } from '../../scripts/command.mjs'
import { useHomes } from '../support/homes.js'
import { directory, file, layout } from '../support/images.js'

const homes = useHomes()
/** Folders that are swapped. */
const NAMES = ['a', 'b', 'c']
/** How often each thing is tried against the attacker. */
const ROUNDS = 12
let box: Box

const out = async (line: string) => (await box.exec('sh', ['-c', line], { check: true })).stdout
/** All that lies where the symlinks lead to. */
const kept = () => out('cd /kept; find . | sort; ls -lR --full-time . | grep -v total; cat file secret sub/secret')

beforeAll(async () => {
  const program = join(homes.folder(), 'attacker')
  const source = fileURLToPath(new URL('attacker.c', import.meta.url))
  const built = await capture('gcc', ['-O1', '-static', '-Wall', '-Wextra', '-Werror', '-o', program, source])
  expect(built.output).toBe('')
  const runtime = await homes.open()
  const secrets = ['file', 'secret', 'sub/secret'].map(path => file(`kept/${path}`, `TOP SECRET ${path}\n`))
  const attacker = { path: 'bin/attacker', content: readFileSync(program), mode: 0o755 }
  const image = await layout(homes, [[directory('kept'), directory('kept/sub'), ...secrets, attacker]])
  box = await runtime.create({ image, cpus: 2 })
  await box.start()
})

/** Works against the attacker in a folder of its own; what is refused is a `FileError`, which is as good. */
async function against(target: string, work: (folder: string, round: number) => Promise<unknown>) {
  const before = await kept()
  const folder = await box.fs.mkdtemp('/tmp/raced-')
  const attacker = box.spawn('attacker', [target, ...NAMES], { cwd: folder })
  await attacker.started
  for (let round = 0; round < ROUNDS; round++) {
    const error = await work(folder, round).catch(error => error)
    if (error instanceof Error) expect(error).toBeInstanceOf(FileError)
  }
  await attacker.kill()
  let swaps = ''
  for await (const chunk of attacker.stdout) swaps += chunk
  expect(await attacker.wait()).toMatchObject({ exitCode: 0 })
  expect(Number(swaps), 'swaps').toBeGreaterThan(ROUNDS)
  expect(await kept()).toBe(before)
}

describe('while folders become symlinks and back', () => {
  it('a tree that is removed takes nothing else with it', async () => {
    await against('/kept', async folder => {
      for (const name of NAMES) await box.fs.rm(`${folder}/${name}`, { recursive: true, force: true })
    })
  })

  it('a tree that is copied in is written nowhere else', async () => {
    const tree = join(homes.folder(), 'tree')
    for (const name of NAMES) {
      mkdirSync(join(tree, name, 'sub'), { recursive: true })
      for (const path of ['file', 'secret', 'new', 'sub/secret', 'sub/new']) {
        writeFileSync(join(tree, name, path), 'overwritten')
      }
    }
    await against('/kept', folder => box.copyIn(tree, folder))
  })

  it('a tree that is copied out holds nothing else, and is put nowhere else', async () => {
    const around = homes.folder()
    writeFileSync(join(around, 'file'), 'the host’s own')
    await against('/kept', async (folder, round) => {
      await box.copyOut(folder, join(around, `out-${round}`))
    })
    let folders = 0
    for (const path of readdirSync(around, { recursive: true }).map(String)) {
      const full = join(around, path)
      if (lstatSync(full).isFile()) expect(readFileSync(full, 'utf8'), path).not.toContain('SECRET')
      if (lstatSync(full).isDirectory()) folders++
    }
    expect(folders).toBeGreaterThan(0)
    expect(readFileSync(join(around, 'file'), 'utf8')).toBe('the host’s own')
  })

  it('symlinks out of the destination lead nowhere on the host', async () => {
    const around = homes.folder()
    writeFileSync(join(around, 'file'), 'the host’s own')
    const back = join(around, 'out')
    // The same destination each time: what was a symlink in one round is a folder in the next, and the other way round.
    await against('..', folder => box.copyOut(folder, back))
    await against(around, folder => box.copyOut(folder, back))
    expect(readdirSync(around).sort()).toEqual(['file', 'out'])
    expect(readFileSync(join(around, 'file'), 'utf8')).toBe('the host’s own')
  })

  it('a listing of the whole tree ends, and is of the tree', async () => {
    await against('/kept', async folder => {
      const names = await box.fs.readdir(folder, { recursive: true })
      expect(names.filter(name => name.includes('secret'))).toEqual([])
    })
  })
})

it('the root of the container is where every way up ends', async () => {
  await out('ln -s ../../../../../../.. /tmp/up; ln -s /proc/1/root /tmp/init; ln -s /proc/self/root /tmp/self')
  const listing = (await box.fs.readdir('/')).sort()
  for (const way of ['/tmp/up', '/../..', '/tmp/init', '/tmp/init/..']) {
    expect((await box.fs.readdir(way)).sort(), way).toEqual(listing)
  }
  // The agent's threads are no processes of the box, so to them this leads nowhere.
  await expect(box.fs.readdir('/tmp/self')).rejects.toMatchObject({ code: 'ENOENT' })
  expect(existsSync('/tmp/raced-')).toBe(false)
})
