// The options of every call: their types, their shapes, and their way to the addon. Each call checks here first, so a
// wrong option fails before anything is done.
import { resolve } from 'node:path'
import type { Readable } from 'node:stream'
import type { BoxInput, ExecInput, PullInput, RegistryInput, RuntimeInput } from './binding.js'
import {
  absolutePath,
  arrayOf,
  boolean,
  type Check,
  checkOptions,
  environment,
  integer,
  matching,
  object,
  oneOf,
  required,
  type Shape,
  text,
} from './check.js'
import type { PullEvent } from './pull.js'

/** What proves to a registry who you are: a password or access token, an OAuth2 refresh token, or a ready bearer token. */
export type RegistryCredentials = { username: string; password: string } | { identityToken: string } | { token: string }

/** What is special about one registry. */
export interface RegistryOptions {
  /** Its host as references have it, with the port if it has one: `ghcr.io`, `127.0.0.1:5000`. */
  host: string
  /** Speak plain HTTP instead of HTTPS. Default: `false`. */
  http?: boolean
  /** A PEM file of certificate authorities to trust besides the system's. Default: none. */
  caFile?: string
  /** Accept any certificate. For tests only. Default: `false`. */
  skipVerify?: boolean
  /** Default: what `docker login` or `podman login` stored, credential helpers included, else none. */
  credentials?: RegistryCredentials
  /**
   * Where to look first, each `HOST[:PORT][/PATH]`; a path is put before the image's own name. A mirror that fails is left
   * for the next one, and the registry itself comes last. What is special about a mirror's host is in options of its own.
   * Default: none.
   */
  mirrors?: string[]
}

/** How to open a runtime. */
export interface RuntimeOptions {
  /** The folder where boxes and images live. Default: `$BOXLITE_HOME`, else `~/.boxlite`. */
  home?: string
  /**
   * Which engine runs boxes. `'auto'` takes libkrun where hardware virtualisation can really be used and QEMU elsewhere.
   * Default: `$BOXLITE_ENGINE`, else `'auto'`.
   */
  engine?: 'auto' | 'krun' | 'qemu'
  /** What is special about some registries. Default: none, and all speak HTTPS. */
  registries?: RegistryOptions[]
  /** The registries in which a name without one, such as `alpine`, is looked up, in this order. Default: `['docker.io']`. */
  searchRegistries?: string[]
  /**
   * Bytes that the image cache may take. What nobody used for the longest goes first; an image is safe while a box was made
   * of it and for ten minutes after its last use. Default: half of what it takes and what is free, together.
   */
  imageQuotaBytes?: number
}

/** How to make a box. */
export interface BoxOptions {
  /** An image: a registry reference such as `alpine:3`, or a path; see {@link Images.pull}. */
  image: string
  /**
   * When the first start asks the registry: `'missing'` if the image is not in the cache, `'always'` to follow a tag that
   * may have moved, `'never'` to reject with `IMAGE_NOT_CACHED`. Default: `'missing'`.
   */
  pullPolicy?: 'missing' | 'always' | 'never'
  /**
   * A name, unique among the boxes of a home: 1 to 63 letters, digits, `_`, `.` and `-`, the first a letter or digit.
   * A box with a name outlives `await using`; one without does not. Default: none.
   */
  name?: string
  /** Virtual CPUs, 1 to 32. Default: 1. */
  cpus?: number
  /** Memory in MiB, 128 to 1 048 576. Default: 512. */
  memoryMib?: number
  /** Environment of every execution, over the image's. Default: none. */
  env?: Record<string, string | undefined>
  /** Working directory of every execution. Default: the image's, else `/`. */
  workdir?: string
  /** User of every execution: `'name'`, `'uid'`, `'name:group'`, `'uid:gid'` or a uid. Default: the image's, else root. */
  user?: string | number
  /** Host name inside the box. Default: the box's name, else its id. */
  hostname?: string
}

/** How to run a command; for `box.spawn`. */
export interface SpawnOptions {
  /** Working directory. Default: the box's. */
  cwd?: string
  /** Environment, over the box's. A variable that is `undefined` is left out. Default: none. */
  env?: Record<string, string | undefined>
  /** `'name'`, `'uid'`, `'name:group'`, `'uid:gid'` or a uid. Default: the box's user. */
  user?: string | number
  /** Give the process a terminal: `true` is 80 by 24. Its standard error then arrives in `stdout`. Default: `false`. */
  tty?: boolean | { cols: number; rows: number }
  /**
   * Standard input. A string or bytes are written and the input then closed, a stream or (async) iterable is read to its
   * end, `'none'` is `/dev/null`. Default: of `spawn` what you write to `execution.stdin`, of `exec` `'none'`.
   *
   * The string `'none'` itself can be sent as bytes: `Buffer.from('none')`.
   */
  stdin?:
    | 'none'
    | (string & {})
    | Uint8Array
    | Readable
    | AsyncIterable<string | Uint8Array>
    | Iterable<string | Uint8Array>
  /**
   * Milliseconds that the process may run, counted from its start inside the box; then it gets SIGTERM, and SIGKILL two
   * seconds later. 0 is for ever. Default: 0.
   */
  timeoutMs?: number
  /** Ends every process of the execution with SIGKILL and rejects with the code `ABORTED`. Default: none. */
  signal?: AbortSignal
  /**
   * `spawn` only: let the process outlive this handle, as a background process of the box. It is never held back for want
   * of a reader: while nobody reads, the box keeps the last 1 MiB of each stream and drops what is older. Disposing of
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

/** How to stop a box. */
export interface StopOptions {
  /** Milliseconds that its processes get to end by themselves. Default: the runtime's, a few seconds. */
  timeoutMs?: number
}

/** How to remove a box. */
export interface RemoveOptions {
  /** Remove it even if it runs. Default: `false`. */
  force?: boolean
}

/** How to pull an image. */
export interface PullOptions {
  /** `'missing'` asks the registry only if the image is not in the cache. Default: `'missing'`. */
  policy?: 'missing' | 'always' | 'never'
  /** `os/architecture`, with `/variant` if that matters. Default: this machine's, the only one that boxes can run. */
  platform?: string
  /** Ends the pull with the code `IMAGE_CANCELLED`; the next one goes on where it stopped. Default: none. */
  signal?: AbortSignal
  /** Called with each step. What it throws ends the pull. Default: none. */
  onProgress?: (event: PullEvent) => void
}

/** What `images.prune` spares. */
export interface PruneOptions {
  /** Spare what was used in the last so many milliseconds. Default: 60 000. */
  unusedForMs?: number
}

const MAX_MS = 2 ** 31 - 1
const milliseconds = integer(0, MAX_MS, 'milliseconds')

const user: Check = {
  expected: "'name', 'uid', 'name:group', 'uid:gid' or a uid",
  holds: value => text.holds(value) || integer(0, 2 ** 32 - 2).holds(value),
}

const tty: Check = {
  expected: 'true, false or { cols, rows } of 1 to 65535 each',
  holds: value => {
    if (typeof value === 'boolean') return true
    const { cols, rows, ...rest } = (value ?? {}) as Record<string, unknown>
    return Object.keys(rest).length === 0 && cells.holds(cols) && cells.holds(rows)
  },
}

const stdin: Check = {
  expected: "a string, bytes, a stream, an iterable or 'none'",
  holds: value =>
    typeof value === 'string' ||
    (typeof value === 'object' && value !== null && (Symbol.asyncIterator in value || Symbol.iterator in value)),
}

const abortSignal: Check = { expected: 'an AbortSignal', holds: value => value instanceof AbortSignal }

const pullPolicy = oneOf('missing', 'always', 'never')

const credentials: Check = {
  secret: true,
  expected: '{ username, password }, { identityToken } or { token }',
  holds: value => {
    const given = Object.entries(value ?? {})
    const names = given.map(([name]) => name).sort()
    const known = [['password', 'username'], ['identityToken'], ['token']]
    return known.some(form => form.join() === names.join()) && given.every(([, item]) => text.holds(item))
  },
}

const place = matching(/^[^\s/]+(\/[^\s]*)?$/, 'HOST[:PORT][/PATH]')

const REGISTRY: Shape<RegistryOptions> = {
  host: required(text),
  http: boolean,
  caFile: text,
  skipVerify: boolean,
  credentials,
  mirrors: arrayOf(place, 'HOST[:PORT][/PATH]'),
}

/** One side of a terminal's size. */
export const cells = integer(1, 65_535)

const RUNTIME: Shape<RuntimeOptions> = {
  home: text,
  engine: oneOf('auto', 'krun', 'qemu'),
  registries: arrayOf(object, 'objects'),
  searchRegistries: arrayOf(place, 'HOST[:PORT][/PATH]'),
  imageQuotaBytes: integer(0, Number.MAX_SAFE_INTEGER, 'bytes'),
}

const BOX: Shape<BoxOptions> = {
  image: required(text),
  name: matching(
    /^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$/,
    '1 to 63 letters, digits, `_`, `.` and `-`, the first a letter or digit',
  ),
  cpus: integer(1, 32),
  memoryMib: integer(128, 1_048_576, 'MiB'),
  env: environment,
  workdir: absolutePath,
  user,
  hostname: matching(/^[A-Za-z0-9.-]{1,63}$/, '1 to 63 letters, digits, `.` and `-`'),
  pullPolicy,
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

/** Checked options of `Runtime.open` and `Runtime.doctor`. */
export function runtimeInput(operation: string, options: RuntimeOptions | undefined): RuntimeInput {
  checkOptions(operation, options, RUNTIME)
  options?.registries?.forEach((registry, i) => {
    checkOptions(`${operation}: registries[${i}]`, registry, REGISTRY)
  })
  return {
    home: options?.home,
    engine: options?.engine,
    registries: (options?.registries ?? []).map(registryInput),
    searchRegistries: options?.searchRegistries ?? [],
    imageQuota: options?.imageQuotaBytes,
  }
}

function registryInput(options: RegistryOptions): RegistryInput {
  const { host, http = false, skipVerify = false, mirrors = [], caFile, credentials } = options
  return { host, http, skipVerify, mirrors, caFile: caFile && resolve(caFile), ...credentials }
}

/** Checked options of `runtime.create`. */
export function boxInput(options: BoxOptions): BoxInput {
  checkOptions('runtime.create', options, BOX)
  return { ...options, env: variables(options.env), user: userName(options.user) }
}

/** Throws unless the options of `box.exec` or `box.sh` are right. */
export function checkExec(operation: string, options: ExecOptions | undefined): void {
  checkOptions(operation, options, EXEC)
}

/** Throws unless the options of `box.spawn` are right. */
export function checkSpawn(options: SpawnOptions | undefined): void {
  checkOptions('box.spawn', options, SPAWN)
}

/** Options already checked, as the addon takes them. */
export function execInput(command: string, args: readonly string[], options: SpawnOptions): ExecInput {
  return {
    command,
    args: [...args],
    env: variables(options.env),
    cwd: options.cwd,
    user: userName(options.user),
    tty: options.tty === true ? { cols: 80, rows: 24 } : options.tty || undefined,
    stdin: options.stdin !== 'none',
    timeoutMs: options.timeoutMs ?? 0,
    detached: options.detached ?? false,
  }
}

/** Checked options of `box.stop`. */
export function stopTimeout(options: StopOptions | undefined): number | undefined {
  checkOptions<StopOptions>('box.stop', options, { timeoutMs: milliseconds })
  return options?.timeoutMs
}

/** Checked options of `remove`. */
export function removeForce(operation: string, options: RemoveOptions | undefined): boolean {
  checkOptions<RemoveOptions>(operation, options, { force: boolean })
  return options?.force ?? false
}

/** Checked options of `images.pull`. */
export function pullInput(source: string, options: PullOptions | undefined): PullInput {
  checkOptions<PullOptions>('images.pull', options, {
    policy: pullPolicy,
    platform: matching(/^[^/\s]+\/[^/\s]+(\/[^/\s]+)?$/, "os/architecture[/variant], such as 'linux/amd64'"),
    signal: abortSignal,
    onProgress: { expected: 'a function', holds: value => typeof value === 'function' },
  })
  return { source, policy: options?.policy ?? 'missing', platform: options?.platform }
}

/** Checked options of `images.prune`. */
export function pruneAge(options: PruneOptions | undefined): number {
  checkOptions<PruneOptions>('images.prune', options, { unusedForMs: milliseconds })
  return options?.unusedForMs ?? 60_000
}

function variables(env: Record<string, string | undefined> = {}): Record<string, string> {
  return Object.fromEntries(Object.entries(env).filter((pair): pair is [string, string] => pair[1] !== undefined))
}

function userName(name: string | number | undefined): string | undefined {
  return name === undefined ? undefined : String(name)
}
