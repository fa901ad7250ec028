// How to make, stop and remove a box. Checked here for `runtime.ts` and `box.ts`.
import type { BoxInput, UpdateInput } from '../binding.js'
import {
  absolutePath,
  boolean,
  type Check,
  checkArgument,
  checkOptions,
  environment,
  integer,
  matching,
  number,
  object,
  type Shape,
  text,
  word,
} from '../check.js'
import { snakeCase } from '../names.js'
import { type BoxNetworkOptions, NETWORK, networkParts } from './network.js'
import { PRIVILEGES, type PrivilegeOptions, privilegesInput } from './privileges.js'
import { lifetime, SUPERVISION, type SupervisionOptions, supervisionInput } from './supervision.js'
import {
  abortSignal,
  futureTime,
  milliseconds,
  pullPolicy,
  startTimeout,
  unsetVariables,
  user,
  userName,
  variables,
} from './values.js'

/** How to make a box. */
export interface BoxOptions extends SupervisionOptions, PrivilegeOptions, BoxNetworkOptions {
  /** An image: a registry reference such as `alpine:3`, or a path; see {@link Images.pull}. */
  image: string
  /**
   * When the first start queries the registry: `'missing'` if the image is not in the cache, `'always'` to follow a tag that
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
  /**
   * Size of the disk in GiB, 0.125 to 2048, rounded up to eighths; a full one gives the box `ENOSPC`. It takes no more of the
   * host than what is written to it. Default: 16, or what the image needs and 4 more if the image is that large.
   */
  diskSizeGb?: number
  /** Environment of every execution, over the image's. A variable that is `undefined` is none, whatever the image says. Default: none. */
  env?: Record<string, string | undefined>
  /** Working directory of every execution. Default: the image's, else `/`. */
  workdir?: string
  /** User of every execution: `'name'`, `'uid'`, `'name:group'`, `'uid:gid'` or a uid. Default: the image's, else root. */
  user?: string | number
  /** Host name inside the box. Default: the box's name, else its id. */
  hostname?: string
  /**
   * Let the box outlive this process, however that ends, and its runtime; any process finds it again
   * by `runtime.get`. Disposing of it only closes the handle. Default: `false`, it ends with the process
   * that started it.
   */
  detached?: boolean
  /** Remove the box, with its files, once its machine has ended. Default: `false`. */
  autoRemove?: boolean
  /**
   * Names and values to find the box by: at most 64. Names are 1 to 255 letters, digits, `.`, `_`, `-` and `/`, the first
   * and last a letter or digit; values are up to 4096 bytes. As in docker, the image's labels lie beneath; they become
   * known at the first start. Default: none.
   */
  labels?: Record<string, string>
  /** Processes and threads that may be in the box at once, 1 to 30 000. Default: 8 for each MiB of memory, 30 000 at most. */
  pidsLimit?: number
  /**
   * Milliseconds that its guest may take to come up, at each start; see {@link RuntimeOptions.startTimeoutMs}. Default: the
   * runtime's.
   */
  startTimeoutMs?: number
}

/** How to start a box. */
export interface StartOptions {
  /**
   * Milliseconds that the guest may take to come up, if this call is the one that starts it; see
   * {@link RuntimeOptions.startTimeoutMs}. Default: the box's.
   */
  startTimeoutMs?: number
  /**
   * Cancels the start and rejects with the code `ABORTED`; a start that other calls wait for goes on for them. The box is
   * then what it was before. Default: none.
   */
  signal?: AbortSignal
}

/** How to stop or restart a box. */
export interface StopOptions {
  /** Milliseconds that its processes get to end by themselves. Default: the runtime's, a few seconds. */
  timeoutMs?: number
}

/** How to wait for the end of a box. */
export interface WaitOptions {
  /** Ends the wait, not the box, and rejects with the code `ABORTED`. Default: none. */
  signal?: AbortSignal
}

/** How to remove a box. */
export interface RemoveOptions {
  /** Remove it even if it runs. Default: `false`. */
  force?: boolean
}

/** What to change of a box; what is left out stays. Each option says when it applies; {@link BoxInfo} shows the values in effect. */
export interface UpdateOptions {
  /** A new name, unique in the home; `null` removes the name. At once; a host name that follows it, from the next start on. */
  name?: string | null
  /** All of the box's own labels, instead of those that it has. At once. */
  labels?: Record<string, string>
  /** Virtual CPUs, 1 to 32. From the next start on. */
  cpus?: number
  /** Memory in MiB, 128 to 1 048 576. From the next start on. */
  memoryMib?: number
  /**
   * All of the box's own environment, instead of that which it has. At once for executions that begin after it; for the main
   * process when it is started next. A variable that is `undefined` is none, whatever the image says.
   */
  env?: Record<string, string | undefined>
  /** Processes and threads that may be in the box at once, 1 to 30 000. At once; what runs above a lower limit goes on. */
  pidsLimit?: number
  /** Remove the box, with its files, once its machine has ended. At once. */
  autoRemove?: boolean
  /** Milliseconds at which the box stops, counted from its start; 0 is never. At once: one that has lived longer stops. */
  maxLifetimeMs?: number
  /** Milliseconds without use after which the box stops; 0 is never. At once; the update itself is a use. */
  idleTimeoutMs?: number
  /** When the box stops: a Date, or milliseconds since 1970, that must be to come; `null` is never. At once. */
  endsAt?: Date | number | null
}

/** A name that a box may have. */
export const boxName = matching(
  /^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$/,
  '1 to 63 letters, digits, `_`, `.` and `-`, the first a letter or digit',
)

/** Labels that a box may have; the runtime knows the bounds of their sizes. */
export const boxLabels: Check = {
  expected: 'an object of strings, whose names are letters, digits, `.`, `_`, `-` and `/`',
  holds: value =>
    object.holds(value) &&
    Object.entries(value as object).every(
      ([name, item]) => /^[A-Za-z0-9]([A-Za-z0-9._/-]{0,253}[A-Za-z0-9])?$/.test(name) && word.holds(item),
    ),
}

const BOX: Shape<BoxOptions> = {
  image: text,
  name: boxName,
  cpus: integer(1, 32),
  memoryMib: integer(128, 1_048_576, 'MiB'),
  diskSizeGb: number(0.125, 2048, 'GiB'),
  env: environment,
  workdir: absolutePath,
  user,
  hostname: matching(/^[A-Za-z0-9.-]{1,63}$/, '1 to 63 letters, digits, `.` and `-`'),
  detached: boolean,
  autoRemove: boolean,
  pullPolicy,
  labels: boxLabels,
  pidsLimit: integer(1, 30_000),
  startTimeoutMs: startTimeout,
  ...NETWORK,
  ...PRIVILEGES,
  ...SUPERVISION,
}

/** Checked options of `runtime.create` and `runtime.getOrCreate`. */
export function boxInput(given: BoxOptions, operation = 'runtime.create'): BoxInput {
  const options = checkOptions(operation, given, BOX, 'image')
  const { image, name, cpus, memoryMib, diskSizeGb, workdir, hostname, detached } = options
  const { autoRemove, pullPolicy, labels, pidsLimit, startTimeoutMs } = options
  return {
    ...snakeCase({ image, name, cpus, memoryMib, diskSizeGb, workdir, hostname, detached }),
    ...snakeCase({ autoRemove, pullPolicy, labels, pidsLimit, startTimeoutMs }),
    env: Object.entries(variables(options.env)),
    unset: unsetVariables(options.env),
    user: userName(options.user),
    supervision: supervisionInput(operation, options),
    privileges: privilegesInput(operation, options),
    ...networkParts(operation, options),
  }
}

/** Checked options of `box.start`. */
export function startOptions(options: StartOptions | undefined): StartOptions {
  return checkOptions<StartOptions>('box.start', options, { startTimeoutMs: startTimeout, signal: abortSignal })
}

/** Checked options of `box.stop` and `box.restart`. */
export function stopTimeout(operation: string, options: StopOptions | undefined): number | undefined {
  return checkOptions<StopOptions>(operation, options, { timeoutMs: milliseconds }).timeoutMs
}

/** Checked options of `box.wait`. */
export function waitSignal(options: WaitOptions | undefined): AbortSignal | undefined {
  return checkOptions<WaitOptions>('box.wait', options, { signal: abortSignal }).signal
}

/** Checked options of `remove`. */
export function removeForce(operation: string, options: RemoveOptions | undefined): boolean {
  return checkOptions<RemoveOptions>(operation, options, { force: boolean }).force ?? false
}

const orNull = (check: Check): Check => ({
  expected: `${check.expected}, or null`,
  holds: value => value === null || check.holds(value),
})

const UPDATE: Shape<UpdateOptions> = {
  name: orNull(boxName),
  labels: boxLabels,
  cpus: BOX.cpus,
  memoryMib: BOX.memoryMib,
  env: environment,
  pidsLimit: BOX.pidsLimit,
  autoRemove: boolean,
  maxLifetimeMs: lifetime,
  idleTimeoutMs: lifetime,
  endsAt: orNull(futureTime),
}

/** Checked options of `box.update`, as the addon takes them. */
export function updateInput(given: UpdateOptions): UpdateInput {
  checkArgument('box.update', 'options', given, object)
  const { name, env, endsAt, ...rest } = checkOptions<UpdateOptions>('box.update', given, UPDATE)
  return {
    ...snakeCase(rest),
    rename: name !== undefined,
    name: name ?? undefined,
    env: env && Object.entries(variables(env)),
    unset: unsetVariables(env),
    ends_at_ms: endsAt === undefined ? undefined : Number(endsAt ?? 0),
  }
}
