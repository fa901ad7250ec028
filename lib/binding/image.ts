// The addon's images and pulls, as `src/addon/image.rs` and `image_pull.rs` make them.
import type { Answer } from './outcome.js'

export interface PullInput {
  source: string
  policy: string
  platform?: string | undefined
}

export interface NativeImage {
  reference: string
  digest: string
  sizeBytes: number
  layers: number
}

export interface NativePull {
  next(after: number): Answer<NativePullSteps | null>
  wait(): Answer<NativeImage>
  cancel(): void
}

export interface NativePullSteps {
  steps: NativePullStep[]
  position: number
}

export interface NativePullStep {
  kind: string
  reference?: string
  digest?: string
  bytes?: number
  layers?: number
  cached?: boolean
}

export interface NativeListedImage {
  reference: string
  digest: string
  platform: string
  sizeBytes: number
  pulledAtMs: number
  usedAtMs: number
  inUse: boolean
}

export interface NativeInspectedImage {
  reference: string
  digest: string
  platform: string
  env: string[]
  entrypoint: string[]
  cmd: string[]
  user?: string
  workdir?: string
  stopSignal?: string
  exposedPorts: string[]
  volumes: string[]
  labels: [string, string][]
  healthcheck?: {
    test: string[]
    intervalMs: number
    timeoutMs: number
    startPeriodMs: number
    retries: number
  }
  layers: { digest: string; diffId: string; sizeBytes: number }[]
}

export interface NativeImageUsage {
  blobs: number
  partial: number
  disks: number
  boxes: number
  quota: number
  free: number
}
