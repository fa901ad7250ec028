// The addon's images and pulls, as `src/addon/image_cache.rs` and `image_pull.rs` hand them over: with the names that they have in Rust.
import type { Answer } from './outcome.js'

export interface PullInput {
  source: string
  policy: string
  platform?: string | undefined
}

export interface NativeImage {
  reference: string
  digest: string
  size_bytes: number
  layers: number
}

export interface NativePull {
  /** The steps behind the position, and the position of the last. */
  next(after: number): Answer<[steps: NativePullStep[], position: number] | null>
  wait(): Answer<NativeImage>
  cancel(): void
}

/** A step on the way into the cache, or the making of the root disk, or the end. */
export type NativePullStep =
  | { image: NativeImageStep }
  | { assembling: { digest: string } }
  | { done: { digest: string } }

export type NativeImageStep =
  | { type: 'resolving'; reference: string }
  | { type: 'resolved'; digest: string; layers: number; bytes: number }
  | { type: 'layer_started'; digest: string; size: number }
  | { type: 'layer_progress'; digest: string; bytes: number }
  | { type: 'layer_done'; digest: string; cached: boolean }
  | { type: 'done'; digest: string }

export interface NativeListedImage {
  reference: string
  digest: string
  platform: string
  size_bytes: number
  pulled_at_ms: number
  used_at_ms: number
  in_use: boolean
}

export interface NativeInspectedImage {
  reference: string
  digest: string
  platform: string
  config: {
    env: string[]
    entrypoint: string[]
    cmd: string[]
    user: string | null
    working_dir: string | null
    stop_signal: string | null
    exposed_ports: string[]
    volumes: string[]
    labels: Record<string, string>
    /** As docker's image configurations have it: times are in nanoseconds. */
    healthcheck: { Test: string[]; Interval: number; Timeout: number; StartPeriod: number; Retries: number } | null
  }
  layers: { digest: string; diff_id: string; size: number }[]
}

export interface NativeImageUsage {
  blobs: number
  partial: number
  disks: number
  boxes: number
  quota: number
  free: number
}
