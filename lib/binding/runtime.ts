// The addon's open home, as `src/addon/runtime.rs` and `image_cache.rs` make it.
import type { BoxInput, NativeBox, NativeBoxInfo } from './box.js'
import type { NativeEvents } from './event.js'
import type {
  NativeImage,
  NativeImageUsage,
  NativeInspectedImage,
  NativeListedImage,
  NativePull,
  PullInput,
} from './image.js'
import type { NativeDuration, NativeNetworkMetrics } from './observation.js'
import type { Answer } from './outcome.js'

/** How to open a home, with Rust's names. */
export interface RuntimeInput {
  home?: string | undefined
  engine?: string | undefined
  registries?: RegistryInput[] | undefined
  search_registries?: readonly string[] | undefined
  image_quota?: number | undefined
  start_timeout?: NativeDuration | undefined
  parts?: string | undefined
}

export interface RegistryInput {
  host: string
  http?: boolean | undefined
  ca_file?: string | undefined
  skip_verify?: boolean | undefined
  mirrors?: readonly string[] | undefined
  credentials?:
    | { basic: { username: string; password: string } }
    | { identity_token: string }
    | { bearer: string }
    | undefined
}

export interface FilterInput {
  states: string[]
  labels?: Record<string, string> | undefined
  name?: string | undefined
}

export interface NativeRuntime {
  readonly home: string
  create(options: BoxInput): Answer<NativeBox>
  get(idOrName: string): Answer<NativeBox>
  getOrCreate(options: BoxInput): Answer<NativeBox>
  list(filter: FilterInput): Answer<NativeBoxInfo[]>
  remove(idOrName: string, force: boolean): Answer<void>
  pull(options: PullInput): Answer<NativePull>
  listImages(): Answer<NativeListedImage[]>
  inspectImage(source: string): Answer<NativeInspectedImage>
  removeImage(source: string): Answer<boolean>
  pruneImages(unusedForMs: number): Answer<{ images: string[]; freed: number }>
  saveImage(source: string, file: string): Answer<number>
  loadImages(path: string): Answer<NativeImage[]>
  imageUsage(): Answer<NativeImageUsage>
  metrics(): Answer<NativeMetrics>
  prometheus(): Answer<string>
  events(wake: () => void): Answer<NativeEvents>
  close(timeoutMs?: number): Answer<void>
}

/** The counters of `src/runtime`, with Rust's names. */
export interface NativeMetrics {
  boxes_created: number
  boxes_destroyed: number
  boxes_failed: number
  boxes_running: number
  total_exec_calls: number
  total_exec_errors: number
  total_bytes_transferred: number
  network: NativeNetworkMetrics
}
