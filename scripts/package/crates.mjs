// The crates that ship: those that the given workspace crates link, without those that only build or test them. Called by notices.mjs
// and by the house tests. Calls `cargo metadata`.
import { capture } from '../command.mjs'
import { Failure } from '../failure.mjs'
import { root } from '../paths.mjs'

/**
 * @typedef {object} Crate
 * @property {string} id
 * @property {string} name
 * @property {string} version
 * @property {string | null} license
 * @property {string} manifest_path
 * @property {string | null} source null for a crate of this workspace
 */
/** @typedef {{ id: string, deps: { pkg: string, dep_kinds: { kind: string | null, target: string | null }[] }[] }} Node */

/** Returns cargo's resolved graph for the target that ships. @returns {Promise<{ packages: Crate[], resolve: { nodes: Node[] } }>} */
export async function cargoGraph() {
  const args = ['metadata', '--locked', '--format-version', '1', '--filter-platform', 'x86_64-unknown-linux-gnu']
  const result = await capture('cargo', args, { cwd: root })
  if (result.status !== 0) throw new Failure(`cargo metadata: ${result.output.trim()}`)
  return JSON.parse(result.stdout)
}

/**
 * Returns every foreign crate that is linked into one of `products`, sorted by name and version. Procedural macros count, since the code
 * that they generate ships.
 * @param {string[]} products
 */
export async function shippedCrates(products) {
  const { packages, resolve } = await cargoGraph()
  const byId = new Map(packages.map(crate => [crate.id, crate]))
  const nodes = new Map(resolve.nodes.map(node => [node.id, node]))
  /** @type {Set<string>} */
  const seen = new Set()
  /** @param {string} id */
  const visit = id => {
    if (seen.has(id)) return
    seen.add(id)
    for (const dep of nodes.get(id)?.deps ?? []) if (dep.dep_kinds.some(({ kind }) => kind === null)) visit(dep.pkg)
  }
  for (const crate of packages) if (products.includes(crate.name) && crate.source === null) visit(crate.id)
  return [...seen]
    .flatMap(id => byId.get(id) ?? [])
    .filter(crate => crate.source !== null)
    .sort((a, b) => `${a.name} ${a.version}`.localeCompare(`${b.name} ${b.version}`))
}
