// `Pull`: a pull under way, which is both the promise of its image and the iteration of its steps. Made by `images.ts`,
// calls the addon's `NativePull`.
import { onAbort } from './abort.js'
import { type NativePull, settled } from './binding.js'
import { ImageError } from './errors.js'
import type { PullOptions } from './options/image.js'
import { type PullEvent, type PulledImage, pullEvent, pulledImage } from './pull-event.js'

/**
 * A pull under way: await it for the image, or iterate over its steps first. Leaving the loop does not end the pull; the
 * option `signal` does. A loop that is slow misses intermediate `layerProgress` events and nothing else.
 *
 * @example
 * ```ts
 * const pull = runtime.images.pull('alpine:3')
 * for await (const event of pull) if (event.type === 'layerProgress') console.log(event.digest, event.bytes)
 * const image = await pull
 * ```
 */
export interface Pull extends Promise<PulledImage>, AsyncIterable<PullEvent> {}

/** Starts a pull. Not part of the public API. */
export function startPull(source: string, start: () => Promise<NativePull>, options: PullOptions): Pull {
  const started = begin(source, start, options.signal)
  const result = run(source, started, options)
  // A caller that only iterates gets the failure there.
  result.catch(() => {})
  return Object.assign(result, { [Symbol.asyncIterator]: () => read(started, result) })
}

async function begin(source: string, start: () => Promise<NativePull>, signal: AbortSignal | undefined) {
  if (signal?.aborted) throw aborted(source, signal)
  return start()
}

async function run(source: string, started: Promise<NativePull>, { signal, onProgress }: PullOptions) {
  let pull: NativePull | undefined
  const over = onAbort(signal, () => pull?.cancel())
  try {
    pull = await started
    if (signal?.aborted) pull.cancel()
    if (onProgress !== undefined) for await (const event of stepsOf(pull)) onProgress(event)
    return pulledImage(await settled(pull.wait()))
  } catch (error) {
    // What a callback throws ends the pull too.
    pull?.cancel()
    throw signal?.aborted ? aborted(source, signal) : error
  } finally {
    over()
  }
}

/** All steps from the first on, for any number of readers: the addon keeps them, and of progress only the newest. */
async function* stepsOf(pull: NativePull): AsyncGenerator<PullEvent, void, undefined> {
  for (let batch = await settled(pull.next(0)); batch !== null; batch = await settled(pull.next(batch[1]))) {
    for (const step of batch[0]) {
      const event = pullEvent(step)
      if (event !== undefined) yield event
    }
  }
}

/** The steps of a pull, and then its failure if it failed. */
async function* read(started: Promise<NativePull>, result: Promise<unknown>) {
  const pull = await started.catch(() => undefined)
  if (pull !== undefined) yield* stepsOf(pull)
  await result
}

function aborted(source: string, signal: AbortSignal): ImageError {
  return new ImageError('IMAGE_CANCELLED', `pull image ${source}: aborted`, { cause: signal.reason })
}
