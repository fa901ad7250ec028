// How to pull and prune images. Checked here for `images.ts`.
import type { PullInput } from '../binding.js'
import { checkOptions, matching } from '../check.js'
import type { PullEvent } from '../pull-event.js'
import { abortSignal, milliseconds, pullPolicy } from './values.js'

/** How to pull an image. */
export interface PullOptions {
  /** `'missing'` queries the registry only if the image is not in the cache. Default: `'missing'`. */
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

/** Checked options of `images.pull`. */
export function checkPull(options: PullOptions | undefined): PullOptions {
  return checkOptions<PullOptions>('images.pull', options, {
    policy: pullPolicy,
    platform: matching(/^[^/\s]+\/[^/\s]+(\/[^/\s]+)?$/, "os/architecture[/variant], such as 'linux/amd64'"),
    signal: abortSignal,
    onProgress: { expected: 'a function', holds: value => typeof value === 'function' },
  })
}

/** Options already checked, as the addon takes them. */
export function pullInput(source: string, { policy = 'missing', platform }: PullOptions): PullInput {
  return { source, policy, platform }
}

/** Checked options of `images.prune`. */
export function pruneAge(options: PruneOptions | undefined): number {
  return checkOptions<PruneOptions>('images.prune', options, { unusedForMs: milliseconds }).unusedForMs ?? 60_000
}
