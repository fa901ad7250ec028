// Builds one part: hashes its inputs, stores its products in the cache under that hash, and puts them where the library looks for
// them. Called by build.mjs for each part; a part's own file defines its inputs and how it is built.
import {
  copyFileSync,
  existsSync,
  linkSync,
  mkdirSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import { capture } from '../command.mjs'
import { Failure } from '../failure.mjs'
import { cacheFolder, nativeFolder } from '../paths.mjs'
import { say, step } from '../progress.mjs'
import { withLock } from './lock.mjs'

/**
 * @typedef {object} Part
 * @property {string} name
 * @property {string[]} products paths below build/<platform>, and below the cache entry
 * @property {() => Promise<string>} hash
 * @property {(out: string, run: Runner, note: (line: string) => void) => Promise<void>} make fills the folder `out` with the products
 */
/** @typedef {(command: string, args: string[], options?: import('../command.mjs').CommandOptions) => Promise<void>} Runner */

/** How many older builds of a part the cache retains. */
const RETAINED = 4

/**
 * Builds `part` if the cache does not have it, and puts its products in place.
 * @param {Part} part @param {string} [into] the folder in which the products are put
 */
export async function buildPart(part, into = nativeFolder) {
  const hash = await part.hash()
  const entry = join(cacheFolder(), 'parts', part.name, hash)
  await step(part.name, async note => {
    const found = existsSync(entry)
    if (!found) {
      mkdirSync(dirname(entry), { recursive: true })
      const waiting = () => note('another build is using this cache')
      await withLock(join(cacheFolder(), 'build.lock'), waiting, async () => {
        if (!existsSync(entry)) await make(part, entry, note)
      })
    }
    utimesSync(entry, new Date(), new Date())
    for (const product of part.products) put(join(entry, product), join(into, product))
    const bytes = part.products.reduce((sum, product) => sum + statSync(join(entry, product)).size, 0)
    // If the sources were edited meanwhile, the result belongs to neither state and must not stay in the cache.
    if (!found && (await part.hash()) !== hash) rmSync(entry, { recursive: true })
    return `${(bytes / 1e6).toFixed(1)} MB${found ? ', from the cache' : ''}`
  })
}

/** @param {Part} part @param {string} entry @param {(line: string) => void} note */
async function make(part, entry, note) {
  const draft = `${entry}.draft`
  rmSync(draft, { recursive: true, force: true })
  mkdirSync(draft)
  let log = ''
  /** @type {Runner} */
  const run = async (command, args, options) => {
    const result = await capture(command, args, { ...options, onLine: note })
    log += `$ ${command} ${args.join(' ')}\n${result.output}`
    writeFileSync(`${entry}.log`, log)
    if (result.status === 0) return
    say(result.output.split('\n').slice(-40).join('\n'))
    throw new Failure(
      `${part.name}: \`${command} ${args.join(' ')}\` ended with ${result.status}`,
      `the whole log is ${entry}.log`,
    )
  }
  await part.make(draft, run, note)
  for (const product of part.products) {
    if (!existsSync(join(draft, product))) throw new Failure(`${part.name}: the build left no ${product}`)
  }
  renameSync(draft, entry)
  removeOldest(dirname(entry))
}

/** @param {string} folder */
function removeOldest(folder) {
  const entries = readdirSync(folder, { withFileTypes: true })
    .filter(entry => entry.isDirectory() && !entry.name.endsWith('.draft'))
    .map(entry => join(folder, entry.name))
    .sort((a, b) => statSync(b).mtimeMs - statSync(a).mtimeMs)
  for (const old of entries.slice(RETAINED + 1)) {
    rmSync(old, { recursive: true, force: true })
    rmSync(`${old}.log`, { force: true })
  }
}

/** Puts a cached file in place atomically, as a hard link, or as a copy if the cache is on another file system. */
function put(/** @type {string} */ from, /** @type {string} */ to) {
  const source = statSync(from)
  const present = statSync(to, { throwIfNoEntry: false })
  if (present?.ino === source.ino && present.dev === source.dev) return
  if (present && present.dev !== source.dev && present.size === source.size && present.mtimeMs === source.mtimeMs)
    return
  mkdirSync(dirname(to), { recursive: true })
  const draft = `${to}.${process.pid}`
  try {
    linkSync(from, draft)
  } catch {
    copyFileSync(from, draft)
    utimesSync(draft, source.atime, source.mtime)
  }
  renameSync(draft, to)
}
