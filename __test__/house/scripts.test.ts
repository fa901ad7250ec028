// Tests of the scripts: the tar writer against GNU tar, the build cache with two builds at once, the counting of test results, and the
// installation of packages.
import { appendFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { buildPart } from '../../scripts/build/part.mjs'
import { capture } from '../../scripts/command.mjs'
import { tar } from '../../scripts/image/tar.mjs'
import { aptGet, lockHolder } from '../../scripts/setup/apt.mjs'
import { excerpt } from '../../scripts/test/excerpt.mjs'
import { countTap, sections, vitestTally } from '../../scripts/test/runners.mjs'

let base: string
beforeAll(() => {
  base = mkdtempSync(join(tmpdir(), 'boxlite-house-'))
})
afterAll(() => rmSync(base, { recursive: true, force: true }))

it('writes tar archives that GNU tar reads as intended', async () => {
  const long = `d/${'x'.repeat(150)}`
  const archive = tar([
    { path: 'd', type: 'directory', mode: 0o1777 },
    { path: 'd/f', content: 'hello', mode: 0o4755, uid: 70_000, gid: 1, xattrs: { 'user.a': 'b' } },
    { path: 'd/hard', type: 'hardlink', target: 'd/f' },
    { path: 'd/soft', type: 'symlink', target: 'f' },
    { path: 'd/null', type: 'char', device: [1, 3] },
    { path: long, content: '' },
  ])
  writeFileSync(join(base, 'a.tar'), archive)
  const { stdout } = await capture('tar', ['--xattrs', '--numeric-owner', '-tvvf', join(base, 'a.tar')])
  const lines = stdout.split('\n').map(line => line.replace(/\s+/g, ' ').replace(/ 2024-01-01 \d+:\d+/, ''))
  expect(lines.filter(line => !line.startsWith(' '))).toEqual(
    expect.arrayContaining([
      expect.stringMatching(/^drwxrwxrwt 0\/0 0 d$/),
      expect.stringMatching(/^-rwsr-xr-x\*? 70000\/1 5 d\/f$/),
      expect.stringMatching(/^hrw-r--r-- 0\/0 0 d\/hard link to d\/f$/),
      expect.stringMatching(/^lrwxrwxrwx 0\/0 0 d\/soft -> f$/),
      expect.stringMatching(/^crw-r--r-- 0\/0 1,3 d\/null$/),
      expect.stringContaining(long),
    ]),
  )
})

describe('the build cache', () => {
  const cache = process.env.BOXLITE_CACHE
  afterAll(() => {
    if (cache === undefined) delete process.env.BOXLITE_CACHE
    else process.env.BOXLITE_CACHE = cache
  })

  it('builds a part once for two builds at once, and puts it in place for both', async () => {
    process.env.BOXLITE_CACHE = join(base, 'cache')
    const log = join(base, 'made')
    const part = (hash: string) => ({
      name: 'thing',
      products: ['share/thing'],
      hash: async () => hash,
      async make(out: string) {
        appendFileSync(log, `${hash}\n`)
        await new Promise(resolve => setTimeout(resolve, 300))
        mkdirSync(join(out, 'share'))
        writeFileSync(join(out, 'share/thing'), hash)
      },
    })
    await Promise.all([buildPart(part('one'), join(base, 'x')), buildPart(part('one'), join(base, 'y'))])
    await buildPart(part('two'), join(base, 'x'))
    await buildPart(part('one'), join(base, 'x'))
    expect(readFileSync(log, 'utf8')).toBe('one\ntwo\n')
    expect(readFileSync(join(base, 'x/share/thing'), 'utf8')).toBe('one')
    expect(statSync(join(base, 'x/share/thing')).ino).toBe(statSync(join(base, 'y/share/thing')).ino)
  })

  it('stores nothing of a failed build', async () => {
    process.env.BOXLITE_CACHE = join(base, 'cache')
    const part = { name: 'bad', products: ['x'], hash: async () => 'h', make: async () => {} }
    await expect(buildPart(part, join(base, 'z'))).rejects.toThrow('the build left no x')
    await expect(buildPart(part, join(base, 'z'))).rejects.toThrow('the build left no x')
  })
})

it('counts the tests of cargo, except those that another test starts', () => {
  const output = `     Running tests/disk/main.rs (target/debug/deps/disk-1)
test faults::writer ... ignored, started by a_full_host_disk
test slow ... ignored
test result: ok. 5 passed; 0 failed; 2 ignored; 0 measured; 0 filtered out; finished in 0.01s
   Doc-tests boxlite_disk
test result: FAILED. 0 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out`
  expect(sections(output)).toEqual([
    ['tests/disk/main.rs (target/debug/deps/disk-1)', { passed: 5, failed: 0, skipped: 1 }],
    ['boxlite_disk', { passed: 0, failed: 1, skipped: 0 }],
  ])
})

it('cuts out of a long output why it failed', () => {
  const passes = Array.from({ length: 200 }, (_, i) => `test t${i} ... ok`)
  const cargo = [
    ...passes,
    'failures:',
    '',
    '---- lock::tests::one stdout ----',
    "thread 'lock::tests::one' panicked at src/lock.rs:1:1:",
    'left: 1',
    '',
    'test result: FAILED. 200 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out',
    ...passes,
  ]
  expect(excerpt(cargo.join('\n'))).toBe(
    "---- lock::tests::one stdout ----\nthread 'lock::tests::one' panicked at src/lock.rs:1:1:\nleft: 1\n",
  )
  expect(excerpt('ok 1 - a\nnot ok 2 - b\n  # because\nok 3 - c\nnot ok 4 - d\n')).toBe(
    'not ok 2 - b\n  # because\nnot ok 4 - d',
  )
  expect(excerpt(`${passes.join('\n')}\nerror: could not compile`).split('\n')).toHaveLength(60)
})

it('excuses only a skipped test whose name says that it needs root, and only without root', () => {
  const tap = 'TAP version 13\nok 1 - a # SKIP needs root, who may\nok 2 - b # SKIP later\n'
  expect(countTap(tap, false)).toMatchObject({ skipped: 2, excused: 1 })
  expect(countTap(tap, true)).toMatchObject({ skipped: 2, excused: 0 })
  const assertionResults = [
    { status: 'passed', fullName: 'x' },
    { status: 'skipped', fullName: 'a full disk (needs root to mount one) is told' },
    { status: 'todo', fullName: 'another' },
  ]
  const report = { numPassedTests: 1, numFailedTests: 0, testResults: [{ status: 'passed', assertionResults }] }
  expect(vitestTally(report, false)).toEqual({ passed: 1, failed: 0, skipped: 2, excused: 1 })
  expect(vitestTally(report, true)).toMatchObject({ skipped: 2, excused: 0 })
})

it('counts TAP lines', () => {
  expect(countTap('TAP version 13\nok 1 - a\nnot ok 2 - b\n    ok 3 - c # SKIP why\n# pass 1\n')).toEqual({
    passed: 1,
    failed: 1,
    skipped: 1,
    excused: 0,
  })
  expect(countTap('TAP version 13\nok 1 - a\nnot ok 2 - b\nTAP version 13\nok 1 - a\nok 2 - b\n')).toEqual({
    passed: 2,
    failed: 1,
    skipped: 0,
    excused: 0,
  })
})

describe('apt-get, while another program uses it', () => {
  const busy = 'E: Could not get lock /var/lib/apt/lists/lock. It is held by process 42 (unattended-upgr)'

  /** Creates an apt-get that is busy `times` times, and that writes a line each time. */
  const fake = (name: string, times: number) => {
    const folder = join(base, name)
    mkdirSync(folder)
    const tries = join(folder, 'tries')
    const script = `#!/bin/sh\necho "$@" >> ${tries}\n[ $(wc -l < ${tries}) -gt ${times} ] && exit 0\necho '${busy}' >&2\nexit 100\n`
    writeFileSync(join(folder, 'apt-get'), script, { mode: 0o755 })
    return { env: { ...process.env, PATH: `${folder}:${process.env.PATH}` }, tries }
  }

  it('waits for its lock and names the holder', async () => {
    const { env, tries } = fake('busy', 2)
    const lines: string[] = []
    const result = await aptGet(['update'], { env, pauseMs: 1, onLine: line => lines.push(line) })
    expect(result.status).toBe(0)
    expect(readFileSync(tries, 'utf8')).toBe('update\nupdate\nupdate\n')
    expect(lines).toContain('waiting for process 42 (unattended-upgr), which holds /var/lib/apt/lists/lock')
  })

  it('fails after a timeout and names the holder', async () => {
    const { env } = fake('stuck', 1_000_000)
    await expect(aptGet(['update'], { env, pauseMs: 1, timeoutMs: 20 })).rejects.toThrow(
      /^`apt-get update` waited 0 s for process 42 \(unattended-upgr\), which holds \/var\/lib\/apt\/lists\/lock$/,
    )
  })

  it('fails at once for any other reason', async () => {
    expect(lockHolder('E: Unable to locate package nothing')).toBeUndefined()
    expect(lockHolder('E: Unable to acquire the dpkg frontend lock (/var/lib/dpkg/lock-frontend), is another')).toBe(
      'the process that holds /var/lib/dpkg/lock-frontend',
    )
    expect(lockHolder('E: Could not get lock /var/cache/apt/archives/lock - open (11: Resource temporarily)')).toBe(
      'the process that holds /var/cache/apt/archives/lock',
    )
  })
})
