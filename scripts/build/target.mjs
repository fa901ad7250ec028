// Cargo's target folder in the cache, held by this checkout for as long as a cargo runs. Called around every cargo run of the
// scripts.
//
// Dependencies are shared by all checkouts, which is most of the time. The workspace's own crates can't be: cargo names
// their artifacts by the path within the workspace and judges freshness by modification times, so that a checkout could be
// given what another one built. Whoever comes from another place drops those first, and waits for whoever is building them.
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { root, targetFolder } from '../paths.mjs'
import { withLock } from './lock.mjs'

/**
 * Runs `work` with the target folder, free of other checkouts' crates; says to `note` if another one has it. A folder that
 * the user chose is the user's own.
 * @template T
 * @param {(line: string) => void} note @param {(target: string) => Promise<T>} work
 * @returns {Promise<T>}
 */
export async function withTarget(note, work) {
  const target = targetFolder()
  if (process.env.CARGO_TARGET_DIR) return work(target)
  mkdirSync(target, { recursive: true })
  const waiting = () => note('waiting for a cargo that builds for another checkout, or for this one')
  return withLock(join(target, 'checkout.lock'), waiting, async () => {
    const claim = join(target, 'checkout')
    if (!existsSync(claim) || readFileSync(claim, 'utf8') !== root) {
      for (const folder of profiles(target)) forget(join(folder, '.fingerprint'))
      writeFileSync(claim, root)
    }
    return work(target)
  })
}

/** PROFILE and TRIPLE/PROFILE below the target folder. @param {string} target */
function profiles(target) {
  const direct = folders(target)
  return [...direct, ...direct.flatMap(folders)].filter(folder => existsSync(join(folder, '.fingerprint')))
}

/** @param {string} fingerprints */
function forget(fingerprints) {
  for (const crate of folders(fingerprints)) {
    if (crate.slice(fingerprints.length + 1).startsWith('boxlite-')) rmSync(crate, { recursive: true })
  }
}

/** @param {string} folder */
function folders(folder) {
  const entries = readdirSync(folder, { withFileTypes: true })
  return entries.filter(entry => entry.isDirectory()).map(entry => join(folder, entry.name))
}
