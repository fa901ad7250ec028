// The options of streams that read or write a file. Checked here for `fs.ts` and `file-handle.ts`.
import { boolean, checkOptions, integer, refusedArgument, type Shape } from '../check.js'
import { flags, type OpenFlags } from '../file-flags.js'
import { type FileMode, mode } from '../file-mode.js'
import { encoding, encodingOrBuffer, withEncoding } from '../file-path.js'
import { abortSignal } from './values.js'

/** The options of streams of both directions. */
interface StreamOptions {
  /** Position of the first byte. Default: 0; of a handle its current position, and of flags where they put it. */
  start?: number | undefined
  /** Close the file when the stream has ended or failed. Default: `true`. */
  autoClose?: boolean | undefined
  /** Emit `close` when the stream is destroyed. Default: `true`. */
  emitClose?: boolean | undefined
  /** Bytes to hold ready. Default: of reading 64 KiB, of writing 256 KiB. */
  highWaterMark?: number | undefined
  /** Destroys the stream with an `AbortError`. */
  signal?: AbortSignal | undefined
}

/** How to read an open file as a stream. */
export interface HandleReadStreamOptions extends StreamOptions {
  /** Last byte, which is included. Default: the end of the file. */
  end?: number | undefined
  /** Decode to strings. Default: bytes. */
  encoding?: BufferEncoding | null | undefined
}

/** How to read a file as a stream. */
export interface ReadStreamOptions extends HandleReadStreamOptions {
  /** Default: `'r'`. */
  flags?: OpenFlags | undefined
  /** Permissions, where the flags make a file. Default: `0o666`, less the umask of `0o022`. */
  mode?: FileMode | undefined
}

/** How to write to an open file as a stream. */
export interface HandleWriteStreamOptions extends StreamOptions {
  /** Encoding of strings. Default: `'utf8'`. */
  encoding?: BufferEncoding | null | undefined
  /** Bring it to the box's disk before `finish`. Default: `false`. */
  flush?: boolean | undefined
}

/** How to write a file as a stream. */
export interface WriteStreamOptions extends HandleWriteStreamOptions {
  /** Default: `'w'`. */
  flags?: OpenFlags | undefined
  /** Permissions of a new file. Default: `0o666`, less the umask of `0o022`. */
  mode?: FileMode | undefined
}

const size = integer(0, Number.MAX_SAFE_INTEGER)
const BOTH: Shape<StreamOptions> = {
  start: size,
  autoClose: boolean,
  emitClose: boolean,
  highWaterMark: size,
  signal: abortSignal,
}
const end = {
  ...size,
  expected: `${size.expected} or Infinity`,
  holds: (v: unknown) => v === Infinity || size.holds(v),
}
const HANDLE_READ: Shape<HandleReadStreamOptions> = { ...BOTH, end, encoding: encodingOrBuffer }
const READ: Shape<ReadStreamOptions> = { ...HANDLE_READ, flags, mode }
const HANDLE_WRITE: Shape<HandleWriteStreamOptions> = { ...BOTH, encoding, flush: boolean }
const WRITE: Shape<WriteStreamOptions> = { ...HANDLE_WRITE, flags, mode }

/** Throws unless the options of a stream that reads a path are right. */
export const checkReadStream = (operation: string, options: unknown) => checkRead(operation, options, READ)
/** Throws unless the options of a stream that reads an open file are right. */
export const checkHandleReadStream = (operation: string, options: unknown) => checkRead(operation, options, HANDLE_READ)
/** Throws unless the options of a stream that writes a path are right. */
export const checkWriteStream = (operation: string, options: unknown) => checkWrite(operation, options, WRITE)
/** Throws unless the options of a stream that writes an open file are right. */
export const checkHandleWriteStream = (operation: string, options: unknown) =>
  checkWrite(operation, options, HANDLE_WRITE)

function checkRead(operation: string, options: unknown, shape: Shape<HandleReadStreamOptions>): ReadStreamOptions {
  const given = withEncoding<ReadStreamOptions>(operation, options, encodingOrBuffer)
  checkOptions(operation, given, shape)
  const { start = 0, end = Infinity } = given
  if (start > end) throw refusedArgument(operation, 'start', `no more than \`end\`, which is ${end}`, start)
  return given
}

function checkWrite(operation: string, options: unknown, shape: Shape<HandleWriteStreamOptions>): WriteStreamOptions {
  const given = withEncoding<WriteStreamOptions>(operation, options, encoding)
  checkOptions(operation, given, shape)
  return given
}

/** How many bytes a stream reads at most; `undefined` if it reads to the end of the file. */
export function partLength({ start = 0, end = Infinity }: HandleReadStreamOptions): number | undefined {
  return end === Infinity ? undefined : end - start + 1
}
