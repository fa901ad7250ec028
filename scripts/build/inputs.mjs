// The identity of a part: a SHA-256 over everything that determines its bytes, which are the contents of its source files, the
// compiler's version and the flags. Called by the parts' files; calls cargo for the dependency graph of the workspace.
import { createHash } from 'node:crypto'
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { capture } from '../command.mjs'
import { Failure } from '../failure.mjs'
import { root } from '../paths.mjs'

/**
 * Returns the hash of `paths` (files or folders, relative to the root) and of `facts`.
 * @param {string[]} paths @param {string[]} facts
 */
export function hashInputs(paths, facts) {
  const hash = createHash('sha256')
  for (const fact of facts) hash.update(`fact ${fact.length} ${fact}\n`)
  const files = [...new Set(paths.flatMap(path => filesBelow(join(root, path))))].sort()
  for (const file of files) {
    const content = readFileSync(file)
    hash
      .update(`file ${relative(root, file)} ${content.length} ${statSync(file).mode & 0o111 ? 'x' : '-'}\n`)
      .update(content)
  }
  return hash.digest('hex').slice(0, 32)
}

/**
 * Returns all files below `path` that can change a part's bytes, which documentation can't.
 * @param {string} path @returns {string[]}
 */
function filesBelow(path) {
  if (!statSync(path).isDirectory()) return [path]
  return readdirSync(path, { withFileTypes: true })
    .filter(
      ({ name }) => !name.startsWith('.') && name !== 'node_modules' && name !== 'target' && !name.endsWith('.md'),
    )
    .flatMap(entry => filesBelow(join(path, entry.name)))
}

/**
 * Returns the folders of `crate` and of every workspace crate that it depends on, and the files that all crates share.
 * @param {string} crate
 */
export async function crateInputs(crate) {
  const metadata = await capture('cargo', ['metadata', '--no-deps', '--offline', '--format-version', '1'], {
    cwd: root,
  })
  if (metadata.status !== 0) throw new Failure(`cargo metadata: ${metadata.output.trim()}`)
  /** @type {{ name: string, manifest_path: string, dependencies: { name: string, path?: string, kind: string | null }[] }[]} */
  const packages = JSON.parse(metadata.stdout).packages
  const folders = new Set()
  /** @param {string} name */
  const visit = name => {
    const found = packages.find(candidate => candidate.name === name)
    if (!found) throw new Failure(`the workspace has no crate ${name}`)
    const folder = relative(root, dirname(found.manifest_path))
    if (folders.has(folder)) return
    folders.add(folder)
    for (const next of found.dependencies) if (next.path && next.kind !== 'dev') visit(next.name)
  }
  visit(crate)
  return [...folders, 'Cargo.toml', 'Cargo.lock']
}

/** Returns the compiler's version and the flags in the environment. */
export async function rustFacts() {
  const version = await capture('rustc', ['-vV'], { cwd: root })
  if (version.status !== 0)
    throw new Failure(`rustc -vV: ${version.output.trim()}`, 'npm run setup prints what is missing')
  const flags = Object.entries(process.env)
    .filter(([key]) => /^(RUSTFLAGS|CARGO_ENCODED_RUSTFLAGS|CARGO_PROFILE_.*|CARGO_BUILD_TARGET)$/.test(key))
    .map(([key, value]) => `${key}=${value}`)
    .sort()
  return [version.stdout.trim(), ...flags]
}
