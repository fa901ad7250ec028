// The error classes of the public API and the list of codes. `src/error/code.rs` owns that list; a unit test compares
// the two. Thrown by every file here; errors of the native half arrive through `errorFrom`.
import { getSystemErrorMap } from 'node:util'
import type { Failure } from './binding/outcome.js'

/** Each code with the class that carries it. */
export const CODES = {
  INVALID_ARGUMENT: 'InvalidArgumentError',

  HOME_LOCKED: 'RuntimeError',
  HOME_INCOMPATIBLE: 'RuntimeError',
  HOST_LIMIT: 'RuntimeError',
  RUNTIME_CLOSED: 'RuntimeError',
  PART_MISSING: 'RuntimeError',

  BOX_NOT_FOUND: 'BoxError',
  BOX_NAME_TAKEN: 'BoxError',
  BOX_STATE: 'BoxError',
  BOX_BUSY: 'BoxError',
  BOX_REMOVED: 'BoxError',

  IMAGE_REFERENCE: 'ImageError',
  IMAGE_NOT_FOUND: 'ImageError',
  IMAGE_NOT_CACHED: 'ImageError',
  IMAGE_UNAUTHORIZED: 'ImageError',
  IMAGE_PLATFORM: 'ImageError',
  IMAGE_DIGEST_MISMATCH: 'ImageError',
  IMAGE_CORRUPT: 'ImageError',
  IMAGE_TOO_LARGE: 'ImageError',
  IMAGE_UNSUPPORTED: 'ImageError',
  IMAGE_CANCELLED: 'ImageError',
  REGISTRY_UNREACHABLE: 'ImageError',
  REGISTRY_FAILED: 'ImageError',
  REGISTRY_RATE_LIMITED: 'ImageError',

  STORAGE_FULL: 'StorageError',
  STORAGE_IO: 'StorageError',
  STORAGE_CORRUPT: 'StorageError',

  ENGINE_UNSUPPORTED: 'UnsupportedEngineError',
  ENGINE_FAILED: 'EngineError',
  GUEST_FAILED: 'EngineError',
  GUEST_TIMEOUT: 'EngineError',

  PORTAL_LOST: 'PortalError',
  RPC: 'PortalError',

  COMMAND_NOT_FOUND: 'ExecutionError',
  COMMAND_NOT_EXECUTABLE: 'ExecutionError',
  EXEC_CWD: 'ExecutionError',
  EXEC_USER: 'ExecutionError',
  EXEC_FAILED: 'ExecutionError',
  EXEC_NOT_FOUND: 'ExecutionError',
  EXEC_TIMEOUT: 'ExecutionError',
  EXEC_NON_ZERO: 'ExecutionError',
  EXEC_MAX_BUFFER: 'ExecutionError',
  EXEC_INPUT_CLOSED: 'ExecutionError',
  EXEC_INPUT_FAILED: 'ExecutionError',
  EXEC_OUTPUT_LOST: 'ExecutionError',
  ABORTED: 'ExecutionError',

  FILE_REFUSED: 'FileError',
  ARCHIVE_INVALID: 'FileError',
  COPY_TOO_LARGE: 'FileError',
  LISTING_TOO_LARGE: 'FileError',

  NETWORK_FAILED: 'NetworkError',
  PORT_IN_USE: 'NetworkError',
  PORT_DENIED: 'NetworkError',
  PORT_CLOSED: 'NetworkError',

  INTERNAL: 'InternalError',
} as const

/** Refusals by Node itself, with the beginnings of its messages. */
const REFUSALS = {
  ERR_FS_EISDIR: 'Path is a directory',
  ERR_FS_CP_DIR_TO_NON_DIR: 'Cannot overwrite non-directory with directory',
  ERR_FS_CP_EEXIST: 'Target already exists',
  ERR_FS_CP_EINVAL: 'Invalid src or dest',
  ERR_FS_CP_FIFO_PIPE: 'Cannot copy a FIFO pipe',
  ERR_FS_CP_NON_DIR_TO_DIR: 'Cannot overwrite directory with non-directory',
  ERR_FS_CP_SOCKET: 'Cannot copy a socket file',
  ERR_FS_CP_SYMLINK_TO_SUBDIRECTORY: 'Cannot overwrite symlink in subdirectory of self',
  ERR_FS_CP_UNKNOWN: 'Cannot copy an unknown file type',
} as const

/** What went wrong, for programs to match on. Codes are stable: they are never renamed. */
export type ErrorCode = keyof typeof CODES | Errno | keyof typeof REFUSALS | 'ERR_DIR_CLOSED' | 'ERR_INVALID_STATE'

/** Names of Linux's errors, as Node has them; of a {@link FileError}. */
export type Errno =
  | 'E2BIG'
  | 'EACCES'
  | 'EAGAIN'
  | 'EBADF'
  | 'EBUSY'
  | 'EDQUOT'
  | 'EEXIST'
  | 'EFAULT'
  | 'EFBIG'
  | 'EINVAL'
  | 'EIO'
  | 'EISDIR'
  | 'ELOOP'
  | 'EMFILE'
  | 'EMLINK'
  | 'ENAMETOOLONG'
  | 'ENFILE'
  | 'ENODATA'
  | 'ENODEV'
  | 'ENOENT'
  | 'ENOMEM'
  | 'ENOSPC'
  | 'ENOSYS'
  | 'ENOTDIR'
  | 'ENOTEMPTY'
  | 'ENOTSUP'
  | 'ENXIO'
  | 'EOVERFLOW'
  | 'EPERM'
  | 'EPIPE'
  | 'EROFS'
  | 'ESPIPE'
  | 'ESTALE'
  | 'ETXTBSY'
  | 'EXDEV'

/** A stage of the way from an image's name to a running container. */
export type Stage = 'image' | 'rootfs' | 'disk' | 'spawn' | 'ready' | 'guest' | 'container'

/** What a {@link BoxliteError} carries besides its code and message. */
export interface ErrorDetails {
  /** What to do about it. */
  hint?: string | undefined
  /** The stage of a box's start that failed. */
  stage?: Stage | undefined
  /** What caused it. */
  cause?: unknown
}

/**
 * Every error of this package. `message` says what was tried and what came of it, `code` is for programs, `hint` says what
 * to do about it, and `cause` is the error that caused it.
 *
 * @example
 * ```ts
 * try {
 *   await runtime.get('web')
 * } catch (error) {
 *   if (error instanceof BoxliteError && error.code === 'BOX_NOT_FOUND') await runtime.create({ image, name: 'web' })
 *   else throw error
 * }
 * ```
 */
export class BoxliteError extends Error {
  /** What went wrong, for programs to match on. */
  readonly code: ErrorCode
  /** What to do about it; absent where nothing is known. */
  declare readonly hint?: string
  /** The stage of a box's start that failed; absent elsewhere. */
  declare readonly stage?: Stage

  constructor(code: ErrorCode, message: string, details: ErrorDetails = {}) {
    super(message, 'cause' in details ? { cause: details.cause } : undefined)
    this.code = code
    // Only what is known becomes a property, since Node prints each one below the stack of an uncaught error.
    if (details.stage !== undefined) Object.assign(this, { stage: details.stage })
    if (details.hint !== undefined) Object.assign(this, { hint: details.hint })
  }

  /** `Class [CODE]: message`, with the hint on a second line. */
  override toString(): string {
    const text = `${this.name} [${this.code}]: ${this.message}`
    return this.hint === undefined ? text : `${text}\n  hint: ${this.hint}`
  }
}

/** An option or argument has the wrong type, or a value outside its range. */
export class InvalidArgumentError extends BoxliteError {
  constructor(message: string, details?: ErrorDetails) {
    super('INVALID_ARGUMENT', message, details)
  }
}

/** The runtime could not be opened, is closed, or one of its files is missing. */
export class RuntimeError extends BoxliteError {}

/** A box does not exist, or its state does not allow the operation. */
export class BoxError extends BoxliteError {}

/** An image could not be found, fetched, verified or used. With the code `IMAGE_CANCELLED` its `name` is `AbortError`. */
export class ImageError extends BoxliteError {
  constructor(code: ErrorCode, message: string, details?: ErrorDetails) {
    super(code, message, details)
    if (code === 'IMAGE_CANCELLED') hide(this, 'name', 'AbortError')
  }
}

/** The host's disk is full, refuses, or holds damaged files. */
export class StorageError extends BoxliteError {}

/** This machine can't run the engine. `Runtime.doctor()` says why, with a remedy for each reason. */
export class UnsupportedEngineError extends BoxliteError {}

/** The engine failed, or the guest did not come up. */
export class EngineError extends BoxliteError {}

/** The connection to the guest was lost or broke the protocol. */
export class PortalError extends BoxliteError {}

/** What is known of the execution that an {@link ExecutionError} is about. */
export interface ExecutionDetails extends ErrorDetails {
  exitCode?: number | null
  signal?: string | null
  stdout?: string | Buffer
  stderr?: string | Buffer
}

/**
 * A command could not be started, or ended as its options don't allow. Of an `exec` that was under way it carries the
 * output so far. With the code `ABORTED` its `name` is `AbortError`, as everywhere in Node.
 */
export class ExecutionError extends BoxliteError {
  /** The exit code, where the process ended by itself; `null` where a signal ended it. */
  declare readonly exitCode?: number | null
  /** The signal that ended it, such as `SIGKILL`. */
  declare readonly signal?: string | null
  /** What `exec` had collected of standard output. */
  declare readonly stdout?: string | Buffer
  /** What `exec` had collected of standard error. */
  declare readonly stderr?: string | Buffer

  constructor(code: ErrorCode, message: string, details: ExecutionDetails = {}) {
    super(code, message, details)
    if (code === 'ABORTED') hide(this, 'name', 'AbortError')
    if (details.exitCode !== undefined) Object.assign(this, { exitCode: details.exitCode })
    if (details.signal !== undefined) Object.assign(this, { signal: details.signal })
    // These are not enumerable, so that no megabytes of output are printed below a stack trace.
    if (details.stdout !== undefined) hide(this, 'stdout', details.stdout)
    if (details.stderr !== undefined) hide(this, 'stderr', details.stderr)
  }
}

/**
 * A file operation was refused, in a box or, of a copy, on the host; as Node's own: `code` is the errno's name, such as
 * `'ENOENT'`, and the message is `ENOENT: no such file or directory, open '/x'`.
 */
export class FileError extends BoxliteError {
  /** Linux's number, negative as in Node; of `ERR_FS_EISDIR` positive, as there. */
  declare readonly errno?: number
  /** The system call: `'open'`. */
  declare readonly syscall?: string
  /** The path that the call was about. */
  declare readonly path?: string
  /** The second path of a call that has two. */
  declare readonly dest?: string

  constructor(code: ErrorCode, message: string, details: ErrorDetails & Partial<FileDetails> = {}) {
    super(code, message, details)
    for (const key of ['errno', 'syscall', 'path', 'dest'] as const) {
      if (details[key] !== undefined) Object.assign(this, { [key]: details[key] })
    }
  }
}

interface FileDetails {
  errno: number
  syscall: string
  path: string
  dest: string
}

/** A box's network can't do what was asked, or a port of the host or of the box can't be reached. */
export class NetworkError extends BoxliteError {}

/** A bug in boxlite; please report it. */
export class InternalError extends BoxliteError {}

const CLASSES = {
  RuntimeError,
  BoxError,
  ImageError,
  StorageError,
  UnsupportedEngineError,
  EngineError,
  PortalError,
  ExecutionError,
  FileError,
  NetworkError,
  InternalError,
}

for (const [name, type] of Object.entries({ BoxliteError, InvalidArgumentError, ...CLASSES })) {
  hide(type.prototype, 'name', name)
}

/** The error that the native half described. */
export function errorFrom({ code, message, stage, hint, causes, file }: Failure): BoxliteError {
  if (file !== undefined) return refused(file, hint)
  const details: ErrorDetails = { stage: stage as Stage | undefined, hint }
  const cause = chain(causes)
  if (cause !== undefined) details.cause = cause
  const name = CODES[code as keyof typeof CODES]
  if (name === 'InvalidArgumentError') return new InvalidArgumentError(message, details)
  const Class = CLASSES[name] ?? BoxliteError
  return new Class(code as ErrorCode, message, details)
}

/** Node's own text and code for a refusal. Its table is the host's, whose numbers are Linux's like the box's. */
function refused(file: NonNullable<Failure['file']>, hint?: string): FileError {
  const { errno, syscall, path, dest, reason: why = 'is a directory' } = file
  const [code, reason] = getSystemErrorMap().get(-errno) ?? LINUX.get(errno) ?? ['EIO', `errno ${errno}`]
  // `rm` of a folder Node refuses by itself.
  const own = syscall === 'rm' && code === 'EISDIR' ? 'ERR_FS_EISDIR' : file.code
  if (own !== undefined && own in REFUSALS) {
    const of = own as keyof typeof REFUSALS
    const message = `${REFUSALS[of]}: ${syscall} returned ${code} (${why}) ${path ?? ''}`
    return new FileError(of, message, { errno, syscall, ...(path !== undefined && { path }) })
  }
  const about = path === undefined ? '' : ` '${path}'${dest === undefined ? '' : ` -> '${dest}'`}`
  return new FileError(code as Errno, `${code}: ${reason}, ${syscall}${about}`, { ...file, errno: -errno, hint })
}

/** Errors of a box's file calls that Node's own table leaves out. */
const LINUX = new Map<number, [string, string]>([
  [61, ['ENODATA', 'no data available']],
  [116, ['ESTALE', 'stale file handle']],
  [122, ['EDQUOT', 'disk quota exceeded']],
])

/** The error of an operation that its `signal` ended; the signal's reason is the cause. */
export function aborted(operation: string, signal: AbortSignal): ExecutionError {
  return new ExecutionError('ABORTED', `${operation}: it was aborted`, { cause: signal.reason })
}

/** Gives an error that arose in the background the stack of the caller. For `throw`, after an `await`. */
export function raised(error: unknown): unknown {
  if (error instanceof BoxliteError) Error.captureStackTrace(error, raised)
  return error
}

/** One error per cause, each the cause of the one before. They arose in Rust, so a JavaScript stack would mislead. */
function chain(causes: string[]): Error | undefined {
  return causes.reduceRight<Error | undefined>((cause, text) => {
    const error = new Error(text, cause && { cause })
    hide(error, 'stack', `Error: ${text}`)
    return error
  }, undefined)
}

function hide(target: object, key: string, value: unknown): void {
  Object.defineProperty(target, key, { value, enumerable: false, configurable: true, writable: true })
}
