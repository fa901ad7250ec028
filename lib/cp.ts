// `fs.cp`: a file or a tree inside the box, by Node's rules. Called by `fs.ts`. The box walks the tree by itself; with a filter, which
// only JavaScript can call, this file walks it and the box copies one folder at a time.
import { posix } from 'node:path'
import { type CpInput, type NativeFiles, type NativePath, settled } from './binding.js'
import { boolean, type Check, checkOptions, integer } from './check.js'
import { FileError } from './errors.js'
import { constants } from './file-constants.js'
import { pathText } from './file-path.js'

/** Most names in one request. */
const NAMES = 1000
/** Most bytes of those names. */
const BYTES = 128 * 1024

/** How to copy inside a box. */
export interface CpOptions {
  /** Directories with all that is in them. Default: `false`. */
  recursive?: boolean
  /** Overwrite files. Default: `true`. */
  force?: boolean
  /** With `force: false`, fail with `ERR_FS_CP_EEXIST` if something exists. Default: `false`. */
  errorOnExist?: boolean
  /** Copy what symlinks lead to. Default: `false`. */
  dereference?: boolean
  /** Keep access and modification times. Default: `false`. */
  preserveTimestamps?: boolean
  /** Keep symlinks as they are written; else relative ones become absolute, so that they lead where they led. Default: `false`. */
  verbatimSymlinks?: boolean
  /** Whether to copy what is at `source` to `destination`; of a directory, nothing in it is copied either. May be asynchronous. */
  filter?: (source: string, destination: string) => boolean | Promise<boolean>
  /** Flags of `copyFile`. Default: 0. */
  mode?: number
}

const filter: Check = { expected: 'a function', holds: value => typeof value === 'function' }

const OPTIONS = {
  recursive: boolean,
  force: boolean,
  errorOnExist: boolean,
  dereference: boolean,
  preserveTimestamps: boolean,
  verbatimSymlinks: boolean,
  filter,
  mode: integer(0, 7),
}

export async function cp(native: NativeFiles, from: NativePath, to: NativePath, options?: CpOptions): Promise<void> {
  const given = checkOptions<CpOptions>('fs.cp', options, OPTIONS)
  const { force, preserveTimestamps, filter, mode = 0, ...rest } = given
  if (mode & constants.COPYFILE_FICLONE_FORCE) throw notCloned(from, to)
  const input = { ...rest, overwrite: force, preserveTimes: preserveTimestamps }
  if (filter === undefined) await settled(native.cp(from, to, input))
  else await filtered(native, pathText(from), pathText(to), input, filter)
}

async function filtered(
  native: NativeFiles,
  from: string,
  to: string,
  input: CpInput,
  wanted: NonNullable<CpOptions['filter']>,
): Promise<void> {
  if (!(await wanted(from, to))) return
  const folders: [string, string][] = []
  const [isFolder] = await settled(native.cpShallow(from, to, [], input))
  if (isFolder) folders.push([from, to])
  const filled: [string, string][] = []
  for (let next = folders.pop(); next !== undefined; next = folders.pop()) {
    const [source, target] = next
    const names: string[] = []
    for (const entry of await settled(native.readDirectory(source, false, false))) {
      const name = pathText(entry.name)
      if (await wanted(posix.join(source, name), posix.join(target, name))) names.push(name)
    }
    const inside: [string, string][] = []
    for (const some of portions(names)) {
      const folder = await settled(native.cpShallow(source, target, some, input))
      some.forEach((name, index) => {
        if (folder[index]) inside.push([posix.join(source, name), posix.join(target, name)])
      })
    }
    folders.push(...inside.reverse())
    filled.push(next)
  }
  if (input.preserveTimes) for (const [source, target] of filled.reverse()) await keepTimes(native, source, target)
}

/** Sets a folder's times, which every file that was made in it has changed. */
async function keepTimes(native: NativeFiles, source: string, target: string): Promise<void> {
  const { mode, atimeMs, mtimeMs } = await settled(native.stat(source, true, false))
  if ((mode & constants.S_IFMT) === constants.S_IFDIR) await settled(native.utimes(target, atimeMs, mtimeMs, true))
}

/** The names in portions that fit in a request. */
function* portions(names: string[]): Generator<string[]> {
  let some: string[] = []
  let bytes = 0
  for (const name of names) {
    const length = Buffer.byteLength(name)
    if (some.length === NAMES || (some.length > 0 && bytes + length > BYTES)) {
      yield some
      some = []
      bytes = 0
    }
    some.push(name)
    bytes += length
  }
  if (some.length > 0) yield some
}

/** The error for a copy that must share its blocks with the original: no file system of a box can do that. */
export function notCloned(from: NativePath, to: NativePath): FileError {
  const [path, dest] = [pathText(from), pathText(to)]
  const message = `ENOTSUP: operation not supported on socket, copyfile '${path}' -> '${dest}'`
  return new FileError('ENOTSUP', message, { errno: -95, syscall: 'copyfile', path, dest })
}
