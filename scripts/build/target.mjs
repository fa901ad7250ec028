// Locks cargo's target folder in the cache while a cargo runs. Called around every cargo run of the scripts.
//
// All checkouts share the compiled dependencies, which take most of the time. They can't share the workspace's own crates: cargo names
// their artifacts by the path within the workspace and judges freshness by modification times, so one checkout could get what
// another one built. A checkout that uses the folder after another one removes those artifacts first.
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { root, targetFolder } from '../paths.mjs'
import { withLock } from './lock.mjs'

/**
 * Runs `work` with the target folder, free of other checkouts' crates; calls `note` if it has to wait. A folder that the user has chosen
 * is neither locked nor cleaned.
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
    const owner = join(target, 'checkout')
    if (!existsSync(owner) || readFileSync(owner, 'utf8') !== root) {
      for (const folder of profiles(target)) removeOwnCrates(join(folder, '.fingerprint'))
      writeFileSync(owner, root)
    }
    return work(target)
  })
}

/** Returns the folders PROFILE and TRIPLE/PROFILE below the target folder. @param {string} target */
function profiles(target) {
  const direct = folders(target)
  return [...direct, ...direct.flatMap(folders)].filter(folder => existsSync(join(folder, '.fingerprint')))
}

/** @param {string} fingerprints */
function removeOwnCrates(fingerprints) {
  for (const crate of folders(fingerprints)) {
    if (crate.slice(fingerprints.length + 1).startsWith('boxlite-')) rmSync(crate, { recursive: true })
  }
}

/** @param {string} folder */
function folders(folder) {
  const entries = readdirSync(folder, { withFileTypes: true })
  return entries.filter(entry => entry.isDirectory()).map(entry => join(folder, entry.name))
}
