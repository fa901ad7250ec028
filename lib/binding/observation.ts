// The addon's figures and logs of a box, as `src/addon/metrics_sampler.rs` and `logs.rs` make them.
import type { Answer } from './outcome.js'

export interface NativeMetricsSampler {
  sample(): Answer<NativeBoxMetrics>
}

/** The stages of a start, in order, with the time that each took. */
export type NativeTimings = [stage: string, took: NativeDuration][]

export interface NativeDuration {
  secs: number
  nanos: number
}

/** What `src/runtime` measures, with Rust's names. Sizes are in bytes. */
export interface NativeBoxMetrics {
  state: string
  cpu_percent: number | null
  guest: NativeGuestUsage | null
  network: NativeNetworkMetrics | null
  host: { cpu_time_ms: number; rss: number; pss: number } | null
  disk_on_host: number
  timings: NativeTimings
}

export interface NativeNetworkMetrics {
  received_bytes: number
  sent_bytes: number
  received_packets: number
  sent_packets: number
  connections: number
  connections_total: number
  refusals: number
  dns_queries: number
  dropped_packets: number
}

export interface NativeGuestUsage {
  cpu_time_ms: number
  memory_usage: number
  memory_peak: number | null
  memory_total: number
  pids: number
  executions: number
  oom_kills: number
  disk_size: number
  disk_used: number
  disk_read: number
  disk_written: number
  network: [received: number, sent: number] | null
  uptime_ms: number
}

export interface LogInput {
  source: 'main' | 'console'
  follow: boolean
  since_ms: number
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
