// The addon's box, as `src/addon/litebox.rs` makes it.

import type { NativeEvents } from './event.js'
import type {
  CollectInput,
  ExecInput,
  NativeCollected,
  NativeCommand,
  NativeExecution,
  NativeExecutionInfo,
} from './execution.js'
import type { NativeFiles } from './files.js'
import type { LogInput, NativeLogs, NativeMetricsSampler, NativeTimings } from './observation.js'
import type { Answer } from './outcome.js'

export interface BoxInput {
  image: string
  name?: string | undefined
  cpus?: number | undefined
  memoryMib?: number | undefined
  diskSizeGb?: number | undefined
  env: Record<string, string>
  unset: string[]
  workdir?: string | undefined
  user?: string | undefined
  hostname?: string | undefined
  detached?: boolean | undefined
  autoRemove?: boolean | undefined
  pullPolicy?: string | undefined
  labels: Record<string, string>
  pidsLimit?: number | undefined
  startTimeoutMs?: number | undefined
  supervision: SupervisionInput
  privileges: {
    privileged: boolean
    capAdd: string[]
    capDrop: string[]
    sysctls: Record<string, string>
    devices: string[]
  }
}

export interface SupervisionInput {
  main: boolean
  entrypoint?: string[] | undefined
  cmd?: string[] | undefined
  stopSignal?: string | undefined
  mainIsInit: boolean
  restart?: { policy: string; maxRetries?: number | undefined; delayMs?: number | undefined } | undefined
  healthCheck?:
    | {
        command?: string[] | undefined
        tcpPort?: number | undefined
        intervalMs?: number | undefined
        timeoutMs?: number | undefined
        retries?: number | undefined
        startPeriodMs?: number | undefined
      }
    | undefined
  noHealthCheck: boolean
  maxLifetimeMs?: number | undefined
  idleTimeoutMs?: number | undefined
  endsAtMs?: number | undefined
}

export interface NativeBox {
  readonly id: string
  readonly name: string | null
  readonly image: string
  readonly detached: boolean
  info(): Answer<NativeBoxInfo>
  start(startTimeoutMs?: number): NativeStart
  stop(timeoutMs?: number): Answer<void>
  restart(timeoutMs?: number): Answer<void>
  end(): NativeBoxEnd
  dispose(): Answer<void>
  remove(force: boolean): Answer<void>
  spawn(options: ExecInput): Answer<NativeExecution>
  exec(options: ExecInput, collect?: CollectInput): Answer<NativeCollected>
  command(options: ExecInput, collect?: CollectInput): NativeCommand
  quote(word: string): string
  files(): NativeFiles
  executions(): Answer<NativeExecutionInfo[]>
  execution(id: string): Answer<NativeExecution>
  update(update: UpdateInput): Answer<void>
  touch(): Answer<boolean>
  metricsSampler(): NativeMetricsSampler
  logs(options: LogInput): Answer<NativeLogs>
  events(wake: () => void): Answer<NativeEvents>
}

export interface NativeStart {
  wait(): Answer<void>
  cancel(): void
}

export interface UpdateInput {
  rename: boolean
  name?: string | undefined
  labels?: Record<string, string> | undefined
  cpus?: number | undefined
  memoryMib?: number | undefined
  env?: Record<string, string> | undefined
  unset: string[]
  pidsLimit?: number | undefined
  autoRemove?: boolean | undefined
  maxLifetimeMs?: number | undefined
  idleTimeoutMs?: number | undefined
  endsAtMs?: number | undefined
}

export interface NativeBoxEnd {
  wait(): Answer<{
    state: string
    exitCode?: number
    signal?: string
    oom: boolean
    failure?: string
  }>
  cancel(): void
}

/** What `src/runtime` reports of a box, with Rust's names. */
export interface NativeBoxInfo {
  id: string
  name: string | null
  labels: Record<string, string>
  image: string
  image_digest: string | null
  state: string
  engine: string | null
  accelerated: boolean | null
  pid: number | null
  cpus: number
  memory_mib: number
  next_cpus: number | null
  next_memory_mib: number | null
  pids_limit: number
  max_lifetime_ms: number
  idle_timeout_ms: number
  /** 0 is never. */
  ends_at_ms: number
  disk_size_mib: number | null
  created_at_ms: number
  failure: string | null
  health: string | null
  detached: boolean
  auto_remove: boolean
  timings: NativeTimings
}
