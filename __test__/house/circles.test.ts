// No file of a crate imports, straight or through others, from a file that imports from it: whoever reads on never comes back to
// where they were. Biome's `noImportCycles` holds TypeScript to the same.
import { describe, expect, it } from 'vitest'
import { importsOf } from './rust-imports.js'
import { sources } from './sources.js'

const entries = sources(/(^|\/)(lib|main)\.rs$/).filter(path => !/\/tests\/|^fuzz\//.test(path))

describe('files of a crate import in one direction', () => {
  it.each(entries)('%s', entry => {
    expect(circlesIn(importsOf(entry)).map(files => files.join(' ↔ '))).toEqual([])
  })
})

describe('the search for circles', () => {
  it('finds one, and what belongs to it', () => {
    const arrows = { a: ['b'], b: ['c'], c: ['b', 'd'], d: [] }
    expect(circlesIn(new Map(Object.entries(arrows).map(([file, to]) => [file, new Set(to)])))).toEqual([['b', 'c']])
  })
})

/** The files that reach each other, a circle each. */
function circlesIn(arrows: Map<string, Set<string>>): string[][] {
  const reach = new Map([...arrows.keys()].map(file => [file, reachable(file, arrows)]))
  const seen = new Set<string>()
  const circles: string[][] = []
  for (const file of arrows.keys()) {
    if (seen.has(file) || !reach.get(file)?.has(file)) continue
    const circle = [...arrows.keys()].filter(other => reach.get(file)?.has(other) && reach.get(other)?.has(file))
    for (const other of circle) seen.add(other)
    circles.push(circle.sort())
  }
  return circles
}

function reachable(from: string, arrows: Map<string, Set<string>>): Set<string> {
  const found = new Set<string>()
  const waiting = [...(arrows.get(from) ?? [])]
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    if (found.has(next)) continue
    found.add(next)
    waiting.push(...(arrows.get(next) ?? []))
  }
  return found
}
