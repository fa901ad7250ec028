// How to run a command. Checked here for `box.ts`.
import type { ExecInput } from '../binding.js'
import { type Bytes, isData } from '../bytes.js'
import { boolean, type Check, checkOptions, environment, integer, oneOf, type Shape, text } from '../check.js'
import { type Chunks, DATA, isChunks } from '../chunks.js'
import { abortSignal, milliseconds, unsetVariables, user, userName, variables } from './values.js'

/** How to run a command; for `box.spawn`. */
export interface SpawnOptions {
  /** Working directory. Default: the box's. */
  cwd?: string
  /** Environment, over the box's. One that is `undefined` is unset, whether the box or its image sets it. Default: none. */
  env?: Record<string, string | undefined>
  /** `'name'`, `'uid'`, `'name:group'`, `'uid:gid'` or a uid. Default: the box's user. */
  user?: string | number
  /** Give the process a terminal: `true` is 80 by 24. Its standard error then arrives in `stdout`. Default: `false`. */
  tty?: boolean | { cols: number; rows: number }
  /**
   * Standard input. A string or bytes are written and the input then closed; a stream, an (async) iterable or a Blob is read
   * to its end, and what it gives that is neither text nor bytes ends the execution with `INVALID_ARGUMENT`. `'none'` is
   * `/dev/null`. Default: of `spawn` what you write to `execution.stdin`, of `exec` `'none'`.
   *
   * The string `'none'` itself can be sent as bytes: `Buffer.from('none')`.
   */
  stdin?: 'none' | (string & {}) | Bytes | Chunks
  /**
   * Milliseconds that the process may run, counted from its start inside the box; then it gets SIGTERM, and SIGKILL two
   * seconds later. 0 is for ever. Default: 0.
   */
  timeoutMs?: number
  /** Ends every process of the execution with SIGKILL and rejects with the code `ABORTED`. Default: none. */
  signal?: AbortSignal
  /**
   * `spawn` only: let the process outlive this handle, as a background process of the box. It is never held back
   * without a reader: the box then retains the last 1 MiB of each stream and drops what is older. Disposing of
   * the execution leaves it running; `box.executions()` lists it and `box.execution(id)` finds it again. Default: `false`.
   */
  detached?: boolean
}

/** How to run a command and collect its output; for `box.exec` and `box.sh`. */
export interface ExecOptions extends Omit<SpawnOptions, 'detached'> {
  /** Reject with the code `EXEC_NON_ZERO` unless the exit code is 0. Default: `false`. */
  check?: boolean
  /** `'utf8'` collects strings, `'buffer'` bytes. Default: `'utf8'`. */
  encoding?: 'utf8' | 'buffer'
  /**
   * The most bytes to collect of each of stdout and stderr. One more ends the process and rejects with the code
   * `EXEC_MAX_BUFFER`. Default: 67 108 864 (64 MiB).
   */
  maxBuffer?: number
}

/** One side of a terminal's size. */
export const cells = integer(1, 65_535)

const tty: Check = {
  expected: 'true, false or { cols, rows } of 1 to 65535 each',
  holds: value => {
    if (typeof value === 'boolean') return true
    const { cols, rows, ...rest } = (value ?? {}) as Record<string, unknown>
    return Object.keys(rest).length === 0 && cells.holds(cols) && cells.holds(rows)
  },
}

const stdin: Check = {
  expected: `${DATA}, or 'none'`,
  holds: value => isData(value) || isChunks(value),
}

const SPAWN: Shape<SpawnOptions> = {
  cwd: text,
  env: environment,
  user,
  tty,
  stdin,
  timeoutMs: milliseconds,
  signal: abortSignal,
  detached: boolean,
}

const { detached: _, ...COLLECTED } = SPAWN

const EXEC: Shape<ExecOptions> = {
  ...COLLECTED,
  check: boolean,
  encoding: oneOf('utf8', 'buffer'),
  maxBuffer: integer(0, Number.MAX_SAFE_INTEGER, 'bytes'),
}

/** Checked options of `box.exec` or `box.sh`. */
export function checkExec(operation: string, options: ExecOptions | undefined): ExecOptions {
  return checkOptions(operation, options, EXEC)
}

/** Checked options of `box.spawn`. */
export function checkSpawn(options: SpawnOptions | undefined): SpawnOptions {
  return checkOptions('box.spawn', options, SPAWN)
}

/** Options already checked, as the addon takes them. */
export function execInput(command: string, args: readonly string[], options: SpawnOptions): ExecInput {
  const { cwd, env, user, tty, stdin, timeoutMs, detached } = options
  const input: ExecInput = { command, args: [...args] }
  if (cwd || env || user !== undefined || tty || stdin !== 'none' || timeoutMs || detached) {
    input.options = {
      env: variables(env),
      unset: unsetVariables(env),
      cwd,
      user: userName(user),
      tty: tty === true ? { cols: 80, rows: 24 } : tty || undefined,
      stdin: stdin !== 'none',
      timeoutMs: timeoutMs ?? 0,
      detached: detached ?? false,
    }
  }
  return input
}
