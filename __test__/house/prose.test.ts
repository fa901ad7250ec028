// Checks the text of every source file: it opens with a comment that says what the file is, it names no path of a developer's machine,
// and it has no TODO and no skipped test.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { root } from '../../scripts/paths.mjs'
import { sources } from './sources.js'

const text = (path: string) => readFileSync(join(root, path), 'utf8')

/** How a file of each language must begin. */
const openings: [RegExp, RegExp][] = [
  [/\.rs$/, /^\/\/! \S/],
  [/\.(ts|mts|cts|mjs|proto)$/, /^(#!.*\n)?\/\/ \S/],
  [/\.(sh|config)$|^tools\/.*\/[\w-]+$|^\.ci\/run$/, /^(#!.*\n)?# \S/],
  [/\.c$/, /^(\/\/|\/\*) \S/],
]

it('opens every source file with a comment', () => {
  const bad = openings.flatMap(([name, opening]) =>
    sources(name).filter(path => !/^index\.|\.md$/.test(path) && !opening.test(text(path))),
  )
  expect(bad).toEqual([])
})

it('has no path of a developer’s machine', () => {
  const machine =
    /\/(home|work|Users)\/\w|\/root\/(?!note\b)|\/tmp\/(boxlite-parts|target-)|\bshared\/(design|deps|style|seeds|kvm-lab)/
  const self = '__test__/house/prose.test.ts'
  const bad = sources(/\.(rs|ts|mts|cts|mjs|sh|json|toml|md|proto|config|c)$|^\.ci\/|^tools\//)
    .filter(path => path !== self && path !== 'package-lock.json' && path !== 'Cargo.lock')
    .flatMap(path =>
      text(path)
        .split('\n')
        .flatMap((line, i) => (machine.test(line) ? [`${path}:${i + 1}: ${line.trim()}`] : [])),
    )
  // Paths inside a box are allowed.
  expect(bad.filter(line => !/\/home\/(app|\$\{name\})/.test(line))).toEqual([])
})

it('has no TODO, no focused test and no ignored one', () => {
  const unfinished = /\b(TODO|FIXME|XXX)\b|\b(it|test|describe)\.(only|todo)\b|#\[ignore(?! = "started by )/
  const bad = sources(/\.(rs|ts|mts|mjs|sh)$/)
    .filter(path => path !== '__test__/house/prose.test.ts')
    .filter(path => unfinished.test(text(path)))
  expect(bad).toEqual([])
})
