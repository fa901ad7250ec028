// The arrows of ARCHITECTURE.md, held against what cargo really links: who may know whom, and two libraries that must never
// meet (libkrun takes its process over; napi lives in Node's).
import { beforeAll, describe, expect, it } from 'vitest'
import { cargoGraph, shippedCrates } from '../../scripts/package/crates.mjs'

/** Crate → the workspace crates that it may use. */
const arrows: Record<string, string[]> = {
  'boxlite-addon': ['boxlite-runtime'],
  'boxlite-runtime': [
    'boxlite-archive',
    'boxlite-disk',
    'boxlite-durable',
    'boxlite-error',
    'boxlite-images',
    'boxlite-portal',
    'boxlite-proto',
    'boxlite-spec',
    'boxlite-wire',
  ],
  'boxlite-shim': ['boxlite-net', 'boxlite-spec', 'boxlite-vmm'],
  'boxlite-net': ['boxlite-spec', 'boxlite-wire'],
  'boxlite-vmm': ['boxlite-spec', 'boxlite-wire'],
  'boxlite-guest': ['boxlite-archive', 'boxlite-proto', 'boxlite-wire'],
  'boxlite-archive': [],
  'boxlite-images': ['boxlite-archive', 'boxlite-durable', 'boxlite-error', 'boxlite-unpack'],
  'boxlite-disk': ['boxlite-archive', 'boxlite-durable', 'boxlite-error', 'boxlite-unpack'],
  'boxlite-portal': ['boxlite-error', 'boxlite-proto', 'boxlite-wire'],
  'boxlite-error': [],
  'boxlite-durable': [],
  'boxlite-unpack': [],
  'boxlite-proto': [],
  'boxlite-spec': [],
  'boxlite-wire': [],
}

const found: Record<string, string[]> = {}

beforeAll(async () => {
  const { packages, resolve } = await cargoGraph()
  const ours = new Map(packages.filter(crate => crate.source === null).map(crate => [crate.id, crate.name]))
  for (const node of resolve.nodes) {
    const name = ours.get(node.id)
    const linked = node.deps.filter(dep => dep.dep_kinds.some(({ kind }) => kind !== 'dev'))
    if (name !== undefined) found[name] = linked.flatMap(dep => ours.get(dep.pkg) ?? [])
  }
})

describe('the workspace', () => {
  it('has the crates that the arrows name, and no others', () => {
    expect(Object.keys(found).sort()).toEqual(Object.keys(arrows).sort())
  })

  it.each(Object.keys(arrows))('%s knows only whom it may', crate => {
    const extra = found[crate]?.filter(other => !arrows[crate]?.includes(other))
    expect(extra).toEqual([])
  })

  it('has no cycles', () => {
    const visit = (crate: string, path: string[]): void => {
      expect(path, [...path, crate].join(' → ')).not.toContain(crate)
      for (const next of found[crate] ?? []) visit(next, [...path, crate])
    }
    for (const crate of Object.keys(found)) visit(crate, [])
  })
})

describe('what is linked', () => {
  const names = async (product: string) => (await shippedCrates([product])).map(crate => crate.name)

  it('into the addon is no libkrun', async () => {
    expect((await names('boxlite-addon')).filter(name => /krun/.test(name))).toEqual([])
  })

  it('into shim and guest is no napi', async () => {
    expect((await names('boxlite-shim')).filter(name => /^napi/.test(name))).toEqual([])
    expect((await names('boxlite-guest')).filter(name => /^napi|krun/.test(name))).toEqual([])
  })
})
