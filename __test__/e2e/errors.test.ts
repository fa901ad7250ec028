// What a user can get wrong on this machine: each with its typed error, its hint, and nothing left behind.
import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeAll, describe, expect, it } from 'vitest'
import { Runtime } from '../../index.mjs'
import { krunWorks } from '../../scripts/lab.mjs'
import { failure } from '../support/failures.js'
import { useHomes } from '../support/homes.js'
import { layout } from '../support/images.js'
import { machinesOf } from '../support/leaks.js'

const homes = useHomes()
const krun = await krunWorks()
let image: string
beforeAll(async () => {
  image = await layout(homes)
})

/** Environment variables changed by a test, put back after it. */
const changed = new Map<string, string | undefined>()
function setVariable(name: string, value: string) {
  if (!changed.has(name)) changed.set(name, process.env[name])
  process.env[name] = value
}
afterEach(() => {
  for (const [name, value] of changed) {
    if (value === undefined) delete process.env[name]
    else process.env[name] = value
  }
  changed.clear()
})

/** A box that can't start for `code`: it says so, no machine is left, and it can be removed. */
async function refusedStart(runtime: Runtime, code: string) {
  const box = await runtime.create({ image })
  const error = await failure(box.start(), code)
  expect(machinesOf(homes.base)).toEqual([])
  await box.remove({ force: true })
  expect(await runtime.list()).toEqual([])
  return error
}

describe('options', () => {
  const cases: [string, unknown][] = [
    ['image missing', {}],
    ['image not a string', { image: 7 }],
    ['image empty', { image: '' }],
    ['cpus a string', { image: 'x', cpus: '2' }],
    ['cpus zero', { image: 'x', cpus: 0 }],
    ['cpus a fraction', { image: 'x', cpus: 1.5 }],
    ['memory too small', { image: 'x', memoryMib: 1 }],
    ['memory not a number', { image: 'x', memoryMib: Number.NaN }],
    ['name with a slash', { image: 'x', name: '../up' }],
    ['env not an object', { image: 'x', env: 'A=1' }],
    ['env with a number', { image: 'x', env: { A: 1 } }],
    ['env with a bad key', { image: 'x', env: { 'A=B': '1' } }],
    ['a typo', { image: 'x', memoryMB: 512 }],
    ['no object', 'alpine'],
  ]

  it.each(cases)('of create are checked: %s', async (_, options) => {
    const runtime = await homes.open()
    await failure(() => runtime.create(options as never), 'INVALID_ARGUMENT')
    expect(await runtime.list()).toEqual([])
  })

  it.each([
    ['engine unknown', { engine: 'xen' }],
    ['home not a string', { home: 1 }],
    ['registries not a list', { registries: 'localhost' }],
  ])('of open are checked: %s', async (_, options) => {
    await failure(() => Runtime.open(options as never), 'INVALID_ARGUMENT')
  })
})

describe('this machine', () => {
  it('has no kernel where the environment says', async () => {
    setVariable('BOXLITE_KERNEL', '/nowhere/vmlinux')
    const error = await refusedStart(await homes.open(), 'PART_MISSING')
    expect(error.message).toContain('/nowhere/vmlinux')
    expect(error.hint).toContain('BOXLITE_KERNEL')
  })

  it('has no QEMU', async () => {
    setVariable('PATH', homes.folder())
    const error = await refusedStart(await homes.open({ engine: 'qemu' }), 'ENGINE_UNSUPPORTED')
    expect(error.hint).toContain('qemu-system-x86')
  })

  it(krun ? 'has KVM, and auto takes it' : 'has no KVM', async () => {
    if (krun) return void expect((await Runtime.doctor()).engine).toBe('krun')
    const error = await refusedStart(await homes.open({ engine: 'krun' }), 'ENGINE_UNSUPPORTED')
    expect(error.message).toMatch(/\/dev\/kvm/)
    expect(error.hint).toMatch(/kvm|virtualisation/i)
  })

  it('is reported by the doctor, with a remedy for each thing missing', async () => {
    setVariable('PATH', homes.folder())
    const report = await Runtime.doctor({ home: homes.folder() })
    expect(report.ok).toBe(krun)
    const bad = report.checks.filter(check => !check.ok)
    expect(bad.map(check => check.code)).toContain('qemu_missing')
    expect(bad.find(check => check.code === 'qemu_missing')?.remedy).toContain('apt-get install')
    for (const check of bad) expect(check.remedy, check.code).toMatch(/^\w+ \S+ \S+/)
  })
})

describe.skipIf(process.getuid?.() !== 0)('a full disk (needs root to mount a small one)', () => {
  it.each([
    ['by a blob', randomBytes(12 << 20)],
    ['by the root disk of a well-packed image', Buffer.alloc(12 << 20, 'packs well')],
  ])('%s is told, and nothing is left behind', async (_, content) => {
    const home = homes.folder()
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=6m', 'small', home])
    try {
      const big = await layout(homes, [[{ path: 'big', content }]])
      const runtime = await Runtime.open({ home, engine: 'qemu' })
      const box = await runtime.create({ image: big })
      const error = await failure(box.start(), 'STORAGE_FULL')
      expect(error.hint).toContain('free some disk space')
      await box.remove({ force: true })
      await runtime.close()
      expect(readdirSync(join(home, 'boxes'))).toEqual([])
      const left = readdirSync(join(home, 'images'), { recursive: true }).map(String)
      expect(left.filter(name => /tmp|partial|draft|disks\/./.test(name))).toEqual([])
    } finally {
      execFileSync('umount', [home])
    }
  })
})
