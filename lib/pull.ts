// `Pull`: a pull under way, which is both the promise of its image and the iteration of its steps. Made by `images.ts`,
// calls the addon's `NativePull`.
import { onAbort } from './abort.js'
import { type NativePull, type NativePullStep, settled } from './binding.js'
import { ImageError } from './errors.js'
import type { PulledImage } from './images.js'
import type { PullOptions } from './options.js'

/** A step of a pull. Sizes are in bytes, as the layers are stored. */
export type PullEvent =
  | { type: 'resolving'; reference: string }
  | { type: 'resolved'; digest: string; layers: number; bytes: number }
  | { type: 'layerStart'; digest: string; bytes: number }
  | { type: 'layerProgress'; digest: string; bytes: number }
  | { type: 'layerDone'; digest: string; cached: boolean }
  | { type: 'assembling'; digest: string }
  | { type: 'done'; digest: string }

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
  const steps = new Steps()
  const result = run(source, start, options, steps)
  // Whoever only iterates learns of the failure there.
  result.catch(() => {})
  return Object.assign(result, { [Symbol.asyncIterator]: () => steps.read(result) })
}

async function run(source: string, start: () => Promise<NativePull>, options: PullOptions, steps: Steps) {
  const { signal, onProgress } = options
  let pull: NativePull | undefined
  const abort = () => pull?.cancel()
  const over = onAbort(signal, abort)
  try {
    if (signal?.aborted) throw aborted(source, signal)
    pull = await start()
    if (signal?.aborted) pull.cancel()
    for (let batch = await settled(pull.next()); batch !== null; batch = await settled(pull.next())) {
      for (const step of batch) {
        const event = eventOf(step)
        steps.push(event)
        onProgress?.(event)
      }
    }
    return await settled(pull.wait())
  } catch (error) {
    // What a callback throws ends the pull too.
    pull?.cancel()
    throw signal?.aborted ? aborted(source, signal) : error
  } finally {
    over()
    steps.end()
  }
}

/** The steps so far, for any number of readers: there are a few for each layer, and of progress only the newest stays. */
class Steps {
  #events: PullEvent[] = []
  #over = false
  #wake: (() => void)[] = []

  push(event: PullEvent): void {
    const last = this.#events.at(-1)
    const replaces = event.type === 'layerProgress' && last?.type === event.type && last.digest === event.digest
    if (replaces) this.#events[this.#events.length - 1] = event
    else this.#events.push(event)
    this.#notify()
  }

  end(): void {
    this.#over = true
    this.#notify()
  }

  async *read(result: Promise<unknown>): AsyncGenerator<PullEvent, void, undefined> {
    let last: PullEvent | undefined
    for (let at = 0; ; ) {
      const event = this.#events[at]
      // The last event may be replaced by a newer one of its kind after it was read.
      const newest = at > 0 ? this.#events[at - 1] : undefined
      if (newest !== undefined && newest !== last) {
        last = newest
        yield newest
      } else if (event !== undefined) {
        at += 1
        last = event
        yield event
      } else if (this.#over) {
        await result
        return
      } else {
        await new Promise<void>(resolve => this.#wake.push(resolve))
      }
    }
  }

  #notify(): void {
    for (const wake of this.#wake.splice(0)) wake()
  }
}

function eventOf(step: NativePullStep): PullEvent {
  const { kind, ...rest } = step
  return { type: kind, ...rest } as PullEvent
}

function aborted(source: string, signal: AbortSignal): ImageError {
  return new ImageError('IMAGE_CANCELLED', `pull image ${source}: aborted`, { cause: signal.reason })
}
