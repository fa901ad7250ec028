// The setup of most test files: a home, an open runtime on it, and an image. Called once by each, with the result of `useHomes()`.
import { beforeAll } from 'vitest'
import type { Runtime, RuntimeOptions } from '../../index.mjs'
import type { Homes } from './homes.js'
import { layout } from './images.js'

export interface Setup {
  home: string
  runtime: Runtime
  /** The path of an image. */
  image: string
}

/** Layers and configuration of the image, as for `layout`, and the options of the runtime. */
interface SetupOptions extends RuntimeOptions {
  layers?: Parameters<typeof layout>[1]
  image?: Parameters<typeof layout>[2]
}

/** Creates all of it before the first test and passes it to `take`. The runtime is closed by `useHomes`. */
export function useRuntime(homes: Homes, take: (setup: Setup) => unknown, setupOptions: SetupOptions = {}): void {
  const { layers, image: config, ...options } = setupOptions
  beforeAll(async () => {
    const home = options.home ?? homes.folder()
    const runtime = await homes.open({ ...options, home })
    await take({ home, runtime, image: await layout(homes, layers, config) })
  })
}
