// The crates below `src/addon` serve every language, so that none of their texts and comments has the words of one: what
// JavaScript calls a thing stands in `src/addon/words.rs`.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { root } from '../../scripts/paths.mjs'
import { sources } from './sources.js'

/** The names of options that are written otherwise in Rust. */
const options = sources(/^lib\/options\/.*\.ts$/)
  .flatMap(path => [...readFileSync(join(root, path), 'utf8').matchAll(/^ {2}([a-z]+[A-Z]\w*)\??:/gm)])
  .map(([, name]) => name)

const words = [
  /\bnp[xm]\b|JavaScript|TypeScript|@boxlite\//,
  // Only of prose: a tree has a type `Node`.
  /\/\/.*(?<!`)\bNode\b(?!`)|"[^"]*\bNode\b/,
  /`Runtime\.\w+|[`"'](box|runtime)\.[\w.]+\(/,
  new RegExp(`(//.*\\b|"[^"]*\\b)(${options.join('|')})\\b`),
]

it('says nothing in the words of JavaScript below src/addon', () => {
  const bad = sources(/^(src|shim|wire|proto|archive)\/.*\.(rs|proto)$/)
    .filter(path => !path.startsWith('src/addon/'))
    .flatMap(path =>
      readFileSync(join(root, path), 'utf8')
        .split('\n')
        .flatMap((line, i) => (words.some(word => word.test(line)) ? [`${path}:${i + 1}: ${line.trim()}`] : [])),
    )
  expect(options.length).toBeGreaterThan(20)
  expect(bad).toEqual([])
})
