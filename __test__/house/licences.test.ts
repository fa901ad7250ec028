// Checks the licence of every library that ships with the packages: anyone may use it, also in closed-source programs.
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { shippedCrates } from '../../scripts/package/crates.mjs'
import { root } from '../../scripts/paths.mjs'

const allowed = new Set([
  '0BSD',
  'Apache-2.0',
  'Apache-2.0 WITH LLVM-exception',
  'BSD-1-Clause',
  'BSD-2-Clause',
  'BSD-3-Clause',
  'BSL-1.0',
  'CC0-1.0',
  'CDLA-Permissive-2.0',
  'ISC',
  'MIT',
  'MIT-0',
  'Unicode-3.0',
  'Unlicense',
  'Zlib',
])

/** Whether allowed licences alone satisfy an SPDX expression: one side of each OR, both sides of each AND. */
function isAllowed(expression: string): boolean {
  const text = expression.replaceAll('/', ' OR ').trim()
  const either = split(text, ' OR ')
  if (either.length > 1) return either.some(isAllowed)
  const both = split(text, ' AND ')
  if (both.length > 1) return both.every(isAllowed)
  return text.startsWith('(') ? isAllowed(text.slice(1, -1)) : allowed.has(text)
}

/** Splits at `word`, except within parentheses. */
function split(text: string, word: string): string[] {
  const pieces: string[] = []
  let depth = 0
  let start = 0
  for (let i = 0; i < text.length; i++) {
    if (text[i] === '(') depth++
    if (text[i] === ')') depth--
    if (depth > 0 || !text.startsWith(word, i)) continue
    pieces.push(text.slice(start, i))
    start = i + word.length
  }
  return [...pieces, text.slice(start)].map(piece => piece.trim())
}

it('reads licence expressions', () => {
  expect(isAllowed('MIT OR GPL-3.0')).toBe(true)
  expect(isAllowed('(MIT OR Apache-2.0) AND Unicode-3.0')).toBe(true)
  expect(isAllowed('MIT AND GPL-2.0')).toBe(false)
  expect(isAllowed('MIT/Apache-2.0')).toBe(true)
  expect(isAllowed('')).toBe(false)
})

it('allows every crate in addon, shim and guest', async () => {
  const crates = await shippedCrates(['boxlite-addon', 'boxlite-shim', 'boxlite-guest'])
  expect(crates.length).toBeGreaterThan(50)
  const bad = crates.filter(crate => !isAllowed(crate.license ?? '')).map(crate => `${crate.name}: ${crate.license}`)
  expect(bad).toEqual([])
})

it('has no npm packages to check: ours depend on nothing but each other', () => {
  const manifests = ['package.json', ...readdirSync(join(root, 'npm')).map(name => `npm/${name}/package.json`)]
  for (const file of manifests) {
    const { dependencies = {}, peerDependencies = {} } = JSON.parse(readFileSync(join(root, file), 'utf8'))
    expect({ ...dependencies, ...peerDependencies }, file).toEqual({})
  }
})
