// Which Rust file takes names from which, as the `use` declarations and the paths in the code say. Used by `circles.test.ts`. An import
// through a face (`pub use` of a mod.rs or lib.rs) counts as one of the file that defines the name; tests are left out.
import { existsSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { root } from '../../scripts/paths.mjs'

/** A module: its file, its submodules by name, and where each name that it hands on comes from. */
interface Module {
  file: string
  parent: Module | undefined
  children: Map<string, Module>
  handedOn: Map<string, string[]>
  text: string
}

/** File → the files of the same crate that it imports from; `entry` is the crate's lib.rs or main.rs, relative to the root. */
export function importsOf(entry: string): Map<string, Set<string>> {
  const crate = load(entry, dirname(entry), undefined)
  const found = new Map<string, Set<string>>()
  for (const module of all(crate)) {
    const targets = new Set<string>()
    for (const path of paths(module.text.replace(FACE, ''))) {
      const target = resolve(path, module, crate)
      if (target !== undefined && target.file !== module.file) targets.add(target.file)
    }
    found.set(module.file, targets)
  }
  return found
}

const FACE = /^\s*pub(\([^)]*\))? use [^;]+;/gm

function load(file: string, folder: string, parent: Module | undefined): Module {
  const text = withoutTests(readFileSync(join(root, file), 'utf8'))
  const module: Module = { file, parent, children: new Map(), handedOn: new Map(), text }
  for (const [, name] of text.matchAll(/^\s*(?:pub(?:\([^)]*\))? )?mod (\w+);/gm)) {
    const below = join(folder, name as string)
    const child = [`${below}.rs`, join(below, 'mod.rs')].find(path => existsSync(join(root, path)))
    if (child !== undefined) module.children.set(name as string, load(child, below, module))
  }
  for (const [face] of text.matchAll(FACE))
    for (const path of paths(face)) module.handedOn.set(path.at(-1) as string, path)
  return module
}

function withoutTests(text: string): string {
  return text
    .replace(/^\s*\/\/.*$/gm, '')
    .replace(/#\[cfg\(test\)\]\s*(pub(\([^)]*\))? )?(mod|use) [^;{]*;/g, '')
    .replace(/#\[cfg\(test\)\]\s*mod tests \{[\s\S]*$/, '')
}

function* all(module: Module): Generator<Module> {
  yield module
  for (const child of module.children.values()) yield* all(child)
}

/** Every path of the text that leads into the crate, `use` trees spread out. */
function paths(text: string): string[][] {
  const uses = [...text.matchAll(/\buse ([^;]+);/g)].flatMap(([, tree]) => spread(tree as string, []))
  const inline = [...text.matchAll(/\b(?:crate|super|self)(?:::\w+)+/g)].map(([path]) => path.split('::'))
  return [...uses, ...inline]
}

function spread(tree: string, before: string[]): string[][] {
  const text = tree.trim().replace(/\s+as\s+\w+$/, '')
  const open = text.indexOf('{')
  if (open < 0) {
    const path = [...before, ...text.split('::').map(part => part.trim())]
    return [path.at(-1) === 'self' && path.length > 1 ? path.slice(0, -1) : path]
  }
  const head = text
    .slice(0, open)
    .split('::')
    .map(part => part.trim())
  const parts: string[] = ['']
  let depth = 0
  for (const char of text.slice(open + 1, text.lastIndexOf('}'))) {
    if (char === '{') depth++
    if (char === '}') depth--
    if (char === ',' && depth === 0) parts.push('')
    else parts[parts.length - 1] += char
  }
  return parts.filter(part => part.trim() !== '').flatMap(part => spread(part, [...before, ...head.filter(Boolean)]))
}

/** The module whose file defines what `path` names, if that is one of this crate. */
function resolve(path: string[], from: Module, crate: Module, hops = 0): Module | undefined {
  let [first, ...rest] = path
  let at: Module | undefined
  if (first === 'crate') at = crate
  else if (first === 'self') at = from
  else if (first === 'super') at = from.parent
  else at = from.children.get(first as string)
  while (rest[0] === 'super') {
    at = at?.parent
    rest = rest.slice(1)
  }
  for (const [index, name] of rest.entries()) {
    if (at === undefined) return undefined
    const child = at.children.get(name)
    const face = at.handedOn.get(name)
    if (child !== undefined && (index < rest.length - 1 || face === undefined)) at = child
    else if (face !== undefined && hops < 8)
      return resolve([...face, ...rest.slice(index + 1)], at, crate, hops + 1) ?? at
    else break
  }
  return at
}
