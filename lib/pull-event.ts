// What a pull gives: its steps, and the image at its end. Used by `pull.ts`, `images.ts` and the options of a pull.

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
