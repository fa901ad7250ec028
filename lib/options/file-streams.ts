// The options of streams that read or write a file. Checked here for `fs.ts` and `file-handle.ts`.
import { boolean, integer, refusedArgument, type Shape } from '../check.js'
import { flags, type OpenFlags } from '../file-flags.js'
import { type FileMode, mode } from '../file-mode.js'
import { checkEncoded, encoding, encodingOrBuffer } from '../file-path.js'
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
export const READ_OPEN_STREAM: Shape<HandleReadStreamOptions> = { ...BOTH, end, encoding: encodingOrBuffer }
export const READ_STREAM: Shape<ReadStreamOptions> = { ...READ_OPEN_STREAM, flags, mode }
export const WRITE_OPEN_STREAM: Shape<HandleWriteStreamOptions> = { ...BOTH, encoding, flush: boolean }
export const WRITE_STREAM: Shape<WriteStreamOptions> = { ...WRITE_OPEN_STREAM, flags, mode }

/** Checked options of a stream that reads. */
export function checkRead<T extends HandleReadStreamOptions>(operation: string, options: unknown, shape: Shape<T>): T {
  const given = checkEncoded<T>(operation, options, shape)
  const { start = 0, end = Infinity } = given
  if (start > end) throw refusedArgument(operation, 'start', `no more than \`end\`, which is ${end}`, start)
  return given
}

/** How many bytes a stream reads at most; `undefined` if it reads to the end of the file. */
export function partLength({ start = 0, end = Infinity }: HandleReadStreamOptions): number | undefined {
  return end === Infinity ? undefined : end - start + 1
}
