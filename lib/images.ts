// `Images`: the image cache of a home. Made by `runtime.ts`.
import { type NativeRuntime, settled } from './binding.js'
import { checkArgument, text } from './check.js'
import { type PullOptions, pullPolicy } from './options.js'

/** An image in the cache. */
export interface PulledImage {
  /** Its full reference, such as `docker.io/library/alpine:3`. */
  reference: string
  /** The digest of its manifest. */
  digest: string
  /** Bytes of its layers, compressed. */
  sizeBytes: number
  /** The number of its layers. */
  layers: number
}

/** Makes the image cache's handle. Not part of the public API. */
export let makeImages: (native: () => Promise<NativeRuntime>) => Images

/** The image cache of a home; `runtime.images`. */
export class Images {
  #native: () => Promise<NativeRuntime>

  static {
    makeImages = native => new this(native)
  }

  private constructor(native: () => Promise<NativeRuntime>) {
    this.#native = native
  }

  /**
   * Brings an image into the cache, so that the first start of a box need not. Rejects with an {@link ImageError}.
   *
   * @param source - a registry reference such as `alpine:3`, or the path of an OCI layout folder
   */
  async pull(source: string, options?: PullOptions): Promise<PulledImage> {
    checkArgument('images.pull', 'source', source, text)
    const policy = pullPolicy(options)
    return settled((await this.#native()).pull(source, policy))
  }
}
