// The bundle as a program meets it: import and require never throw, even where nothing native is installed, and both give
// the same classes. Runs in a folder of its own, with a fresh Node.
import { execFileSync, spawnSync } from 'node:child_process'
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, test } from 'vitest'

const root = fileURLToPath(new URL('../../', import.meta.url))
let folder: string

beforeAll(() => {
  execFileSync(process.execPath, [join(root, 'lib/build/bundle.mjs')])
  folder = mkdtempSync(join(tmpdir(), 'boxlite-import-'))
  const target = join(folder, 'node_modules/@boxlite/node')
  mkdirSync(target, { recursive: true })
  for (const file of ['index.js', 'index.mjs', 'bundle.mjs', 'package.json'])
    copyFileSync(join(root, file), join(target, file))
})

afterAll(() => rmSync(folder, { recursive: true, force: true }))

function node(name: string, program: string) {
  writeFileSync(join(folder, name), program)
  const env = { ...process.env, BOXLITE_ADDON: '' }
  return spawnSync(process.execPath, [name], { cwd: folder, encoding: 'utf8', env, timeout: 8_000 })
}

test('import: all names, nothing thrown, and the program ends by itself', () => {
  const { stdout, stderr, status } = node(
    'a.mjs',
    `import * as api from '@boxlite/node'; console.log(Object.keys(api).sort().join())`,
  )
  expect([stderr, status]).toEqual(['', 0])
  expect(stdout.trim().split(',')).toEqual([...new Set(stdout.trim().split(','))].sort())
  expect(stdout).toContain('Box,BoxError,BoxliteError')
})

test('require: the same names and the same classes as import', () => {
  const { stdout, stderr } = node(
    'b.cjs',
    `const api = require('@boxlite/node')
     import('@boxlite/node').then(esm => {
       const names = Object.keys(api)
       console.log(names.length > 10 && names.every(name => api[name].name === name) && names.every(name => esm[name] === api[name]))
     })`,
  )
  expect([stdout, stderr]).toEqual(['true\n', ''])
})

test('the first use says what is missing and what to do; the doctor reports it', () => {
  const { stdout, stderr } = node(
    'c.mjs',
    `import { Runtime, RuntimeError } from '@boxlite/node'
     const error = await Runtime.open().catch(error => error)
     console.log(error instanceof RuntimeError, error.code, error.hint.includes('npm install'))
     const report = await Runtime.doctor()
     console.log(report.ok, report.checks.length, report.checks.at(-1).remedy === error.hint)`,
  )
  expect([stdout, stderr]).toEqual(['true PART_MISSING true\nfalse 2 true\n', ''])
})

test('an uncaught error shows what is wrong and what to do', () => {
  const { stderr, status } = node('d.mjs', `import { Runtime } from '@boxlite/node'; await Runtime.open()`)
  expect(status).toBe(1)
  expect(stderr).toMatch(/RuntimeError: load native part: .* is not installed/)
  expect(stderr).toContain("code: 'PART_MISSING'")
  expect(stderr).toContain('hint: ')
})

test('package and addon have one version', () => {
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
  expect(readFileSync(join(root, 'Cargo.toml'), 'utf8')).toContain(`\nversion = "${version}"\n`)
})
