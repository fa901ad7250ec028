// What most test files begin with: a home, an open runtime on it, and an image. Called once by each, beside `useHomes()`.
import { beforeAll } from 'vitest'
import type { Runtime, RuntimeOptions } from '../../index.mjs'
import type { Homes } from './homes.js'
import { layout } from './images.js'

export interface Made {
  home: string
  runtime: Runtime
  /** An image's path. */
  image: string
}

/** Layers and configuration of the image, as `layout` takes them, and how to open the runtime. */
interface Wanted extends RuntimeOptions {
  layers?: Parameters<typeof layout>[1]
  image?: Parameters<typeof layout>[2]
}

/** Before the first test: makes all of it and hands it to `take`, which may go on from there. Closed by `useHomes`. */
export function useRuntime(homes: Homes, take: (made: Made) => unknown, wanted: Wanted = {}): void {
  const { layers, image: config, ...options } = wanted
  beforeAll(async () => {
    const home = options.home ?? homes.folder()
    const runtime = await homes.open({ ...options, home })
    await take({ home, runtime, image: await layout(homes, layers, config) })
  })
}
