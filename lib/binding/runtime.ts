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
import type { Answer } from './outcome.js'

export interface RuntimeInput {
  home?: string | undefined
  engine?: string | undefined
  registries: RegistryInput[]
  searchRegistries: string[]
  imageQuota?: number | undefined
  startTimeoutMs?: number | undefined
  parts?: string | undefined
}

export interface RegistryInput {
  host: string
  http: boolean
  caFile?: string | undefined
  skipVerify: boolean
  mirrors: string[]
  username?: string | undefined
  password?: string | undefined
  identityToken?: string | undefined
  token?: string | undefined
}

export interface FilterInput {
  states: string[]
  labels: Record<string, string>
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
}
