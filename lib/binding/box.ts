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
import type { NativeDial, NativePort, NativePortWait, NativePortWish } from './port.js'

/** How to make a box, with Rust's names; what is left out is as `src/runtime` has it. */
export interface BoxInput {
  image: string
  name?: string | undefined
  cpus?: number | undefined
  memory_mib?: number | undefined
  disk_size_gb?: number | undefined
  env: [name: string, value: string][]
  unset: string[]
  workdir?: string | undefined
  user?: string | undefined
  hostname?: string | undefined
  detached?: boolean | undefined
  auto_remove?: boolean | undefined
  pull_policy?: string | undefined
  labels?: Record<string, string> | undefined
  pids_limit?: number | undefined
  start_timeout_ms?: number | undefined
  supervision: SupervisionInput
  privileges: {
    privileged?: boolean | undefined
    cap_add?: readonly string[] | undefined
    cap_drop?: readonly string[] | undefined
    sysctls: Record<string, string>
    devices?: readonly string[] | undefined
  }
  network?: NetworkInput | undefined
  ports: PortInput[]
  secrets: SecretInput[]
}

export interface NetworkInput {
  allow?: readonly string[] | undefined
  deny?: readonly string[] | undefined
  mtu?: number | undefined
  dns?:
    | {
        servers?: readonly string[] | undefined
        search?: readonly string[] | undefined
        hosts?: [name: string, address: string][] | undefined
      }
    | undefined
  backend?: string | undefined
  ca?: 'host' | { file: string } | undefined
  proxy?: 'host' | { url: string } | undefined
  connections?: number | undefined
  new_connections_per_second?: number | undefined
  bandwidth?: { up?: number | undefined; down?: number | undefined } | undefined
  ipv6?: boolean | undefined
  subnet?: string | undefined
}

export interface PortInput {
  guest: number
  host: number
  protocol: string
  bind: string
}

export interface SecretInput {
  env: string
  value: string
  hosts: readonly string[]
}

export interface SupervisionInput {
  main?: boolean | undefined
  entrypoint?: readonly string[] | undefined
  cmd?: readonly string[] | undefined
  stop_signal?: string | undefined
  main_is_init: boolean
  restart?: { when?: string | undefined; max_retries?: number | undefined; delay_ms?: number | undefined } | undefined
  health?: 'off' | { own: HealthCheckInput } | undefined
  max_lifetime_ms?: number | undefined
  idle_timeout_ms?: number | undefined
  ends_at_ms?: number | undefined
}

export interface HealthCheckInput {
  probe: { command: readonly string[] } | { 'tcp-port': number | undefined }
  interval_ms?: number | undefined
  timeout_ms?: number | undefined
  retries?: number | undefined
  start_period_ms?: number | undefined
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
  publish(port: NativePortWish): Answer<NativePort>
  unpublish(guest: number, protocol: string): Answer<NativePort[]>
  ports(): Answer<NativePort[]>
  connect(port: number, timeoutMs?: number): NativeDial
  waitForPort(port: number, timeoutMs?: number): NativePortWait
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
  /** Whether the name changes; without a `name` it is removed. */
  rename: boolean
  name?: string | undefined
  labels?: Record<string, string> | undefined
  cpus?: number | undefined
  memory_mib?: number | undefined
  env?: [name: string, value: string][] | undefined
  unset: string[]
  pids_limit?: number | undefined
  auto_remove?: boolean | undefined
  max_lifetime_ms?: number | undefined
  idle_timeout_ms?: number | undefined
  ends_at_ms?: number | undefined
  network?: NetworkUpdateInput | undefined
}

/** What is left out stays; `null` rules that allow are those of a new box. */
export interface NetworkUpdateInput {
  allow?: readonly string[] | null | undefined
  deny?: readonly string[] | undefined
  secrets?: SecretInput[] | undefined
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
  network: {
    backend: string
    allow: string[] | null
    deny: string[]
    secrets: [env: string, hosts: string[]][]
  } | null
  detached: boolean
  auto_remove: boolean
  timings: NativeTimings
}
