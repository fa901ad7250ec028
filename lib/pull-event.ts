// What a pull gives: its steps, and the image at its end. Used by `pull.ts`, `images.ts` and the options of a pull.
import type { NativeImage, NativePullStep } from './binding.js'

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

/** A step of a pull. Sizes are in bytes, as the layers are stored. */
export type PullEvent =
  | { type: 'resolving'; reference: string }
  | { type: 'resolved'; digest: string; layers: number; bytes: number }
  | { type: 'layerStart'; digest: string; bytes: number }
  | { type: 'layerProgress'; digest: string; bytes: number }
  | { type: 'layerDone'; digest: string; cached: boolean }
  | { type: 'assembling'; digest: string }
  | { type: 'done'; digest: string }

/** The public form of the addon's image. */
export function pulledImage({ size_bytes, ...image }: NativeImage): PulledImage {
  return { ...image, sizeBytes: size_bytes }
}

/** The public form of the addon's step; `undefined` where the end of a part is no step of the whole. */
export function pullEvent(native: NativePullStep): PullEvent | undefined {
  if ('assembling' in native) return { type: 'assembling', ...native.assembling }
  if ('done' in native) return { type: 'done', ...native.done }
  const { image } = native
  switch (image.type) {
    case 'layer_started':
      return { type: 'layerStart', digest: image.digest, bytes: image.size }
    case 'layer_progress':
      return { ...image, type: 'layerProgress' }
    case 'layer_done':
      return { ...image, type: 'layerDone' }
    case 'done':
      // The root disk is still to be made.
      return undefined
    default:
      return image
  }
}
