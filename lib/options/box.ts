// How to make, stop and remove a box. Checked here for `runtime.ts` and `box.ts`.
import type { BoxInput } from '../binding.js'
import {
  absolutePath,
  boolean,
  checkOptions,
  environment,
  integer,
  matching,
  number,
  required,
  type Shape,
  text,
} from '../check.js'
import { milliseconds, pullPolicy, user, userName, variables } from './values.js'

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
  /**
   * Size of the disk in GiB, 0.125 to 2048, rounded up to eighths; a full one gives the box `ENOSPC`. It takes no more of the
   * host than what is written to it. Default: 16, or what the image needs and 4 more if the image is that large.
   */
  diskSizeGb?: number
  /** Environment of every execution, over the image's. Default: none. */
  env?: Record<string, string | undefined>
  /** Working directory of every execution. Default: the image's, else `/`. */
  workdir?: string
  /** User of every execution: `'name'`, `'uid'`, `'name:group'`, `'uid:gid'` or a uid. Default: the image's, else root. */
  user?: string | number
  /** Host name inside the box. Default: the box's name, else its id. */
  hostname?: string
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

const BOX: Shape<BoxOptions> = {
  image: required(text),
  name: matching(
    /^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$/,
    '1 to 63 letters, digits, `_`, `.` and `-`, the first a letter or digit',
  ),
  cpus: integer(1, 32),
  memoryMib: integer(128, 1_048_576, 'MiB'),
  diskSizeGb: number(0.125, 2048, 'GiB'),
  env: environment,
  workdir: absolutePath,
  user,
  hostname: matching(/^[A-Za-z0-9.-]{1,63}$/, '1 to 63 letters, digits, `.` and `-`'),
  pullPolicy,
}

/** Checked options of `runtime.create`. */
export function boxInput(options: BoxOptions): BoxInput {
  checkOptions('runtime.create', options, BOX)
  const { diskSizeGb, ...rest } = options
  const diskSizeMib = diskSizeGb === undefined ? undefined : Math.ceil(diskSizeGb * 8) * 128
  return { ...rest, diskSizeMib, env: variables(options.env), user: userName(options.user) }
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
