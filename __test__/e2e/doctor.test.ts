// The doctor as people call it, `npx @boxlite/node doctor`, on homes and mounts that are really as they should not be.
import { execFileSync } from 'node:child_process'
import { chownSync, copyFileSync, existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { DoctorReport } from '../../index.mjs'
import { capture } from '../../scripts/command.mjs'
import { nativeFolder, root } from '../../scripts/paths.mjs'
import { failure } from '../support/failures.js'
import { useHomes } from '../support/homes.js'
import { layout } from '../support/images.js'
import { machinesOf } from '../support/leaks.js'
import { Peer } from '../support/peer.js'

const homes = useHomes()
const isRoot = process.getuid?.() === 0
let image: string

beforeAll(async () => {
  image = await layout(homes)
})

const command = (args: string[], env: NodeJS.ProcessEnv = {}) =>
  capture(process.execPath, [join(root, 'bin/boxlite.mjs'), ...args], { env: { ...process.env, ...env } })

async function examined(home: string, env: NodeJS.ProcessEnv = {}) {
  const { status, stdout } = await command(['doctor', '--home', home, '--json'], env)
  const report = JSON.parse(stdout) as DoctorReport
  expect(status).toBe(report.ok ? 0 : 1)
  /** The findings of some names, each with a remedy. */
  const bad = (...codes: string[]) => {
    const found = report.checks.filter(check => !check.ok && codes.includes(check.code))
    for (const { code, remedy } of found) expect(remedy, code).toMatch(REMEDIES[code] ?? /^$/)
    return found
  }
  return { report, bad }
}

/** What is to be done about each finding of this file. */
const REMEDIES: Record<string, RegExp> = {
  boxes_newer: /^use that version, or another `home`$/,
  leftovers: /^nothing is lost: the next `Runtime.open` of this home clears them$/,
  leftover_processes: /^end them: `kill PID`$/,
  home: /^choose another `home`, or set BOXLITE_HOME$/,
  home_owner: /^run as that user, or choose a `home` of this one's$/,
  shim_mount: /^install the package on another file system/,
}

const OF_BOXES = ['boxes_newer', 'boxes_damaged', 'leftovers', 'leftover_processes']

it('reports in its text and by its exit status whether a box can run', async () => {
  const home = homes.folder()
  const good = await command(['doctor', '--home', home])
  expect(good.status, good.output).toBe(0)
  expect(good.stdout).toMatch(/^ok {2}glibc +glibc 2\.\d+$/m)
  expect(good.stdout).toMatch(/^Boxes can run here: engine (qemu|krun), .+\.$/m)
  const bad = await command(['doctor', '--home', home], { BOXLITE_KERNEL: '/nowhere/vmlinux' })
  expect(bad.status).toBe(1)
  expect(bad.stdout).toMatch(/^!! {2}kernel .*\/nowhere\/vmlinux.*\n +→ .*BOXLITE_KERNEL/m)
  expect(bad.stdout).toContain('Boxes can not run here.')
  expect((await command(['docter'])).status).toBe(2)
  expect((await command(['doctor', '--jsn'])).output).toContain('--jsn')
  expect((await command(['--help'])).stdout).toMatch(/^usage: boxlite doctor/)
})

it('does not change a box of a newer version, and reports it', async () => {
  const home = homes.folder()
  const runtime = await homes.open({ home })
  const [old, newer] = [await runtime.create({ image }), await runtime.create({ image })]
  expect((await examined(home)).report.checks.find(({ code }) => code === 'boxes')?.message).toMatch(/^2 /)
  await runtime.close()
  const file = join(home, 'boxes', newer.id, 'config.json')
  const text = readFileSync(file, 'utf8')
  writeFileSync(file, text.replace(/"version": 1/, '"version": 99'))
  const { report, bad } = await examined(home)
  expect([report.ok, bad(...OF_BOXES).map(({ code }) => code)]).toEqual([true, ['boxes_newer']])
  const again = await homes.open({ home })
  expect(await again.list()).toMatchObject([
    { id: old.id, state: 'created' },
    { id: newer.id, state: 'failed', failure: expect.stringContaining('version 99') },
  ])
  const error = await failure(again.get(newer.id), 'HOME_INCOMPATIBLE')
  expect(error.message).toContain('version 99')
  expect(existsSync(file)).toBe(true)
  writeFileSync(file, text)
  await again.remove(newer.id)
})

it('finds what a killed process left, which the next opening clears', async () => {
  const home = homes.folder()
  const peer = await Peer.start(home)
  const id = await peer.run(async (theirs, image) => {
    const box = await theirs.create({ image })
    await box.start()
    return box.id
  }, image)
  expect((await examined(home)).bad(...OF_BOXES)).toEqual([])
  await peer.end(() => process.kill(peer.pid, 'SIGKILL'))
  await expect.poll(() => machinesOf(homes.base), { timeout: 30_000 }).toEqual([])
  const { report, bad } = await examined(home)
  expect(report.ok).toBe(true)
  expect(bad(...OF_BOXES)).toMatchObject([{ code: 'leftovers', message: expect.stringContaining(id) }])
  await homes.open({ home })
  expect((await examined(home)).bad(...OF_BOXES)).toEqual([])
})

it('finds processes of a box whose folder somebody removed', async () => {
  const home = homes.folder()
  const runtime = await homes.open({ home })
  const box = await runtime.create({ image, detached: true })
  await box.start()
  const { pid } = await box.info()
  rmSync(join(home, 'boxes', box.id), { recursive: true })
  const [found] = (await examined(home)).bad(...OF_BOXES)
  expect(found).toMatchObject({ code: 'leftover_processes', message: expect.stringContaining(`${pid} (boxlite-`) })
  process.kill(Number(pid), 'SIGTERM')
  await expect.poll(() => machinesOf(homes.base), { timeout: 30_000 }).toEqual([])
  expect((await examined(home)).bad(...OF_BOXES)).toEqual([])
})

describe.skipIf(!isRoot)('with mounts and owners (needs root to make them)', () => {
  const mounted: string[] = []
  const mount = (options: string) => {
    const folder = homes.folder()
    execFileSync('mount', ['-t', 'tmpfs', '-o', options, 'small', folder])
    mounted.push(folder)
    return folder
  }
  afterAll(() => {
    for (const folder of mounted) execFileSync('umount', [folder])
  })

  it('a home that can only be read is no home', async () => {
    const home = mount('ro,size=1m')
    const { report, bad } = await examined(home)
    expect([report.ok, bad('home').map(({ message }) => message)]).toEqual([false, [expect.stringContaining('EROFS')]])
  })

  it("a home of another user is not this one's", async () => {
    const home = homes.folder()
    chownSync(home, 12_345, 12_345)
    const { report, bad } = await examined(home)
    expect(report.ok).toBe(false)
    expect(bad('home_owner')).toMatchObject([{ message: expect.stringContaining('user 12345') }])
  })

  it('a shim on a file system without programs is distinguished from a missing permission', async () => {
    const shim = join(mount('noexec,size=64m'), 'boxlite-shim')
    copyFileSync(join(nativeFolder, 'bin/boxlite-shim'), shim)
    const { report, bad } = await examined(homes.folder(), { BOXLITE_SHIM: shim })
    expect([report.ok, bad('shim_mount').length]).toEqual([false, 1])
  })
})
