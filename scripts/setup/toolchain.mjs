// Checks the machine and Rust, which have to be installed by hand, and prints how to get it. Called by setup.mjs.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { capture } from '../command.mjs'
import { Failure } from '../failure.mjs'
import { root } from '../paths.mjs'

/**
 * Fails unless this is Linux on x86-64 and Rust is new enough; with `test`, also unless Rust has what its sources are checked with, which
 * rustup's minimal profile leaves out.
 * @param {{ test?: boolean }} [options]
 */
export async function checkToolchain(options = {}) {
  if (process.platform !== 'linux' || process.arch !== 'x64') {
    throw new Failure(`this builds on Linux x86-64 so far, and this is ${process.platform} ${process.arch}`)
  }
  const wanted = /rust-version = "([\d.]+)"/.exec(readFileSync(join(root, 'Cargo.toml'), 'utf8'))?.[1] ?? ''
  const rustc = await capture('rustc', ['--version'], { cwd: root })
  const found = /^rustc ([\d.]+)/.exec(rustc.stdout)?.[1]
  if (!found) throw new Failure('rustc: not found', `install Rust ${wanted} or newer from https://rustup.rs`)
  if (older(found, wanted)) throw new Failure(`rustc: ${found} is older than ${wanted}`, 'run: rustup update stable')
  for (const component of options.test ? ['rustfmt', 'clippy'] : []) {
    const { stdout } = await capture(component === 'clippy' ? 'cargo-clippy' : component, ['--version'], { cwd: root })
    if (!stdout.startsWith(component))
      throw new Failure(`${component}: not found`, `run: rustup component add ${component}`)
  }
}

/** Whether version `a` comes before `b`. @param {string} a @param {string} b */
export function older(a, b) {
  const [left, right] = [a, b].map(version => version.split('.').map(Number))
  for (let i = 0; i < 3; i++) {
    const difference = (left?.[i] ?? 0) - (right?.[i] ?? 0)
    if (difference !== 0) return difference < 0
  }
  return false
}
