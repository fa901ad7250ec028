// The options of file calls. Checked here for `fs.ts`, `file-handle.ts` and `directory.ts`; those of streams are in
// `options/file-streams.ts`.
import { boolean, type Check, integer, oneOf, type Shape, text } from '../check.js'
import { flags, type OpenFlags } from '../file-flags.js'
import { type FileMode, mode } from '../file-mode.js'
import { encoding, encodingOrBuffer, type NameEncoding } from '../file-path.js'
import { abortSignal, milliseconds } from './values.js'

/** How to read a whole file. */
export interface ReadFileOptions<E extends BufferEncoding | null = BufferEncoding | null> {
  /** Decode to a string. Default: `null`, bytes. */
  encoding?: E | undefined
  /** How to open it. Default: `'r'`. */
  flag?: OpenFlags | undefined
  /** Rejects with the code `ABORTED` at once. */
  signal?: AbortSignal | undefined
}

export const READ_FILE: Shape<ReadFileOptions> = { encoding: encodingOrBuffer, flag: flags, signal: abortSignal }

/** The options for a file that is open already, whose `flag` is fixed. */
export const READ_OPEN_FILE = { encoding: encodingOrBuffer, signal: abortSignal }

/** How to write a whole file. */
export interface WriteFileOptions {
  /** The encoding of strings. Default: `'utf8'`. */
  encoding?: BufferEncoding | null | undefined
  /** Permissions of a new file, less the umask of `0o022`. Default: `0o666`. */
  mode?: FileMode | undefined
  /** Default: `'w'`. */
  flag?: OpenFlags | undefined
  /** Bring it to the box's disk before the call resolves. Default: `false`. */
  flush?: boolean | undefined
  /** Rejects with the code `ABORTED` at once; what was written stays. */
  signal?: AbortSignal | undefined
}

export const WRITE_FILE: Shape<WriteFileOptions> = { encoding, mode, flag: flags, flush: boolean, signal: abortSignal }

/** How to write to an open file. */
export type WriteOpenFileOptions = Omit<WriteFileOptions, 'mode' | 'flag'>

export const WRITE_OPEN_FILE: Shape<WriteOpenFileOptions> = { encoding, flush: boolean, signal: abortSignal }

/** How names are given. */
export interface NameOptions {
  /** `'buffer'` gives bytes: Linux's names need not be UTF-8. Default: `'utf8'`. */
  encoding?: NameEncoding | null | undefined
}

export const NAMES: Shape<NameOptions> = { encoding: encodingOrBuffer }

/** How to list a directory. */
export interface ReadDirOptions extends NameOptions {
  /** Give {@link Dirent}s instead of names. Default: `false`. */
  withFileTypes?: boolean | undefined
  /** List everything below too, in one call; symlinks are not followed. Default: `false`. */
  recursive?: boolean | undefined
}

export const READ_DIR: Shape<ReadDirOptions> = {
  encoding: encodingOrBuffer,
  withFileTypes: boolean,
  recursive: boolean,
}

/** How to list a directory piece by piece. */
export interface OpenDirOptions extends NameOptions {
  /** Node's number of entries in a batch; a box sends as many as one message holds. */
  bufferSize?: number | undefined
  /** List everything below too; symlinks are not followed. Default: `false`. */
  recursive?: boolean | undefined
}

export const OPEN_DIR: Shape<OpenDirOptions> = {
  encoding: encodingOrBuffer,
  bufferSize: integer(1, 2 ** 32 - 1),
  recursive: boolean,
}

/** How to make a directory. */
export interface MkdirOptions {
  /** Make missing parents too, and do not fail if the directory exists. Default: `false`. */
  recursive?: boolean | undefined
  /** Permissions, less the umask of `0o022`. Default: `0o777`. */
  mode?: FileMode | undefined
}

export const MKDIR: Shape<MkdirOptions> = { recursive: boolean, mode }

/** How to remove. */
export interface RmOptions {
  /** Remove a directory with everything in it. Default: `false`. */
  recursive?: boolean | undefined
  /** Do not fail if it does not exist. Default: `false`. */
  force?: boolean | undefined
  /** With `recursive`, how often to try again if something is busy or is being filled. Default: 0. */
  maxRetries?: number | undefined
  /** Milliseconds to wait before the first retry; each later one waits that much longer. Default: 100. */
  retryDelay?: number | undefined
}

export const RM: Shape<RmOptions> = {
  recursive: boolean,
  force: boolean,
  maxRetries: integer(0, 2 ** 32 - 1),
  retryDelay: milliseconds,
}

/** The options of `rmdir`: none. Those that Node had made it remove whole trees, which is for `rm`. */
export const noOptions: Check = {
  expected: 'none: what is in a directory too is removed by `fs.rm` with `recursive`',
  holds: value =>
    value === undefined || value === null || (typeof value === 'object' && Object.keys(value).length === 0),
}

/** How to return the attributes of a file or a file system. */
export interface StatOptions {
  /** Return bigints, with times in nanoseconds too. Default: `false`. */
  bigint?: boolean | undefined
}

export const STAT: Shape<StatOptions> = { bigint: boolean }

/** Which file an extended attribute belongs to. */
export interface XattrOptions {
  /** Use the file that a symlink leads to, not the symlink itself. Default: `true`. */
  follow?: boolean | undefined
}

export const XATTR: Shape<XattrOptions> = { follow: boolean }

/** How to set an extended attribute. */
export interface SetXattrOptions extends XattrOptions {
  /** `'create'` fails with `EEXIST` if the attribute exists, `'replace'` with `ENODATA` if it does not. Default: neither. */
  flag?: 'create' | 'replace' | undefined
}

export const SET_XATTR: Shape<SetXattrOptions> = { follow: boolean, flag: oneOf('create', 'replace') }

/** Linux's names have a namespace, `user.` for everybody's, and at most 255 bytes. */
export const attributeName: Check = {
  expected: "a name of 1 to 255 bytes without NUL, such as 'user.origin'",
  holds: value => text.holds(value) && Buffer.byteLength(value as string) <= 255,
}

/** The kernel's `XATTR_SIZE_MAX`. */
export const attributeSize: Check = { ...integer(0, 65_536), expected: 'at most 65536 bytes' }

/** The kind of symlink, which other systems need and Linux ignores. */
export const linkType: Check = {
  expected: "'dir', 'file', 'junction' or null",
  holds: value => value === undefined || value === null || ['dir', 'file', 'junction'].includes(value as string),
}
