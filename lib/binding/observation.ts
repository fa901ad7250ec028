// The addon's figures and logs of a box, as `src/addon/box_metrics.rs` and `logs.rs` make them.
import type { Answer } from './outcome.js'

export interface NativeMetricsSampler {
  sample(): Answer<NativeBoxMetrics>
}

export interface NativeBoxMetrics {
  state: string
  cpuPercent?: number
  guest?: NativeGuestUsage
  host?: { cpuTimeMs: number; rssBytes: number; pssBytes: number }
  diskOnHostBytes: number
  timings: { stage: string; ms: number }[]
}

export interface NativeGuestUsage {
  cpuTimeMs: number
  memoryUsageBytes: number
  memoryPeakBytes?: number
  memoryTotalBytes: number
  pids: number
  executions: number
  oomKills: number
  diskSizeBytes: number
  diskUsedBytes: number
  diskReadBytes: number
  diskWrittenBytes: number
  network?: { receivedBytes: number; sentBytes: number }
  uptimeMs: number
}

export interface LogInput {
  console: boolean
  follow: boolean
  sinceMs: number
}

export interface NativeLogs {
  next(): Answer<NativeLogEntry[] | null>
  close(): void
}

export interface NativeLogEntry {
  timeMs?: number
  stream: string
  data?: Buffer
  lost?: number
}
