// The face of the native addon as `src/addon` makes it: every promise resolves with an `Outcome`, never rejects.
// Loaded by `native.ts`, faked by the unit tests, used by the classes of the same noun.
import { errorFrom } from './errors.js'

export interface Failure {
  code: string
  className: string
  message: string
  stage?: string
  hint?: string
  causes: string[]
  /** A refused file operation. */
  file?: { errno: number; syscall: string; path?: string; dest?: string }
}

/** A result as a value. */
export interface Outcome<T> {
  ok?: T
  error?: Failure
}

type Answer<T> = Promise<Outcome<T>>

export interface Binding {
  version(): string
  errorCodes(): { code: string; className: string }[]
  open(options: RuntimeInput): Answer<NativeRuntime>
  doctor(options: RuntimeInput): Answer<NativeDoctorReport>
}

export interface RuntimeInput {
  home?: string | undefined
  engine?: string | undefined
  registries: RegistryInput[]
  searchRegistries: string[]
  imageQuota?: number | undefined
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

export interface PullInput {
  source: string
  policy: string
  platform?: string | undefined
}

export interface BoxInput {
  image: string
  name?: string | undefined
  cpus?: number | undefined
  memoryMib?: number | undefined
  env: Record<string, string>
  workdir?: string | undefined
  user?: string | undefined
  hostname?: string | undefined
  pullPolicy?: string | undefined
}

export interface ExecInput {
  command: string
  args: string[]
  env: Record<string, string>
  cwd?: string | undefined
  user?: string | undefined
  tty?: { cols: number; rows: number } | undefined
  stdin: boolean
  timeoutMs: number
  detached: boolean
}

export interface NativeRuntime {
  readonly home: string
  create(options: BoxInput): Answer<NativeBox>
  get(idOrName: string): Answer<NativeBox>
  list(): Answer<NativeBoxInfo[]>
  remove(idOrName: string, force: boolean): Answer<void>
  pull(options: PullInput): Answer<NativePull>
  listImages(): Answer<NativeListedImage[]>
  inspectImage(source: string): Answer<NativeInspectedImage>
  removeImage(source: string): Answer<boolean>
  pruneImages(unusedForMs: number): Answer<{ images: string[]; freedBytes: number }>
  saveImage(source: string, file: string): Answer<number>
  loadImages(path: string): Answer<NativeImage[]>
  imageUsage(): Answer<NativeImageUsage>
  metrics(): Answer<NativeMetrics>
  close(): Answer<void>
}

export interface NativeBox {
  readonly id: string
  readonly name: string | null
  readonly image: string
  info(): Answer<NativeBoxInfo>
  start(): Answer<void>
  stop(timeoutMs?: number): Answer<void>
  remove(force: boolean): Answer<void>
  spawn(options: ExecInput): Answer<NativeExecution>
  files(): NativeFiles
  executions(): Answer<NativeExecutionInfo[]>
  execution(id: string): Answer<NativeExecution>
}

export interface NativeExecutionInfo {
  id: string
  pid: number
  command: string
  args: string[]
  tty: boolean
  detached: boolean
  ageMs: number
}

/** One operation on files; `files.proto` says which fields each reads. */
export interface FileInput {
  operation: string
  path?: string | undefined
  to?: string | undefined
  handle?: number | undefined
  mode?: number | undefined
  flags?: number | undefined
  uid?: number | undefined
  gid?: number | undefined
  atimeMs?: number | undefined
  mtimeMs?: number | undefined
  offset?: number | undefined
  length?: number | undefined
  data?: Buffer | undefined
  recursive?: boolean | undefined
  force?: boolean | undefined
  follow?: boolean | undefined
  exclusive?: boolean | undefined
  preserve?: boolean | undefined
  dataOnly?: boolean | undefined
}

export interface FileOutput {
  stat?: NativeStat
  path?: string
  handle: number
  data: Buffer
  count: number
}

export interface NativeStat {
  dev: number
  ino: number
  mode: number
  nlink: number
  uid: number
  gid: number
  rdev: number
  size: number
  blksize: number
  blocks: number
  atimeMs: number
  mtimeMs: number
  ctimeMs: number
  birthtimeMs: number
}

export interface NativeEntry {
  name: string
  kind: number
}

export interface NativeFiles {
  call(input: FileInput): Answer<FileOutput>
  readDirectory(path: string, recursive: boolean): Answer<NativeEntry[]>
  read(input: FileInput): Answer<NativeFileReader>
  write(input: FileInput): Answer<NativeFileWriter>
  watch(path: string, recursive: boolean): Answer<NativeWatcher>
  copyIn(from: string, to: string): NativeCopy
  copyOut(from: string, to: string): NativeCopy
  packOut(from: string): Answer<NativeFileReader>
  unpackIn(to: string): Answer<NativeArchiveWriter>
}

export interface NativeFileReader {
  pull(): Answer<Buffer | null>
  close(): Answer<void>
}

export interface NativeFileWriter {
  push(data: Uint8Array): Answer<void>
  finish(): Answer<number>
}

export interface NativeArchiveWriter {
  push(data: Uint8Array): Answer<void>
  finish(): Answer<void>
  abort(): Answer<void>
}

export interface NativeWatcher {
  next(): Answer<{ renamed: boolean; name: string }[] | null>
  close(): void
}

export interface NativeCopy {
  run(): Answer<void>
  progress(): { entries: number; bytes: number; skipped: number }
  abort(): void
}

export interface NativeExecution {
  readonly id: string
  readonly pid: number
  recv(max: number): Answer<NativeChunk[] | null>
  write(data: Uint8Array): Answer<void>
  closeStdin(): Answer<void>
  kill(signal: number): Answer<boolean>
  killAll(): Answer<boolean>
  detach(): Answer<void>
  resize(cols: number, rows: number): Answer<void>
  wait(): Answer<NativeExitStatus>
}

export interface NativeChunk {
  kind: 'stdout' | 'stderr' | 'exit'
  data?: Buffer
  status?: NativeExitStatus
}

export interface NativeExitStatus {
  code?: number
  signal?: number
  timedOut: boolean
  oomKilled: boolean
}

export interface NativeBoxInfo {
  id: string
  name?: string
  image: string
  imageDigest?: string
  state: string
  engine?: string
  accelerated?: boolean
  pid?: number
  cpus: number
  memoryMib: number
  createdAtMs: number
  failure?: string
  timings: { stage: string; ms: number }[]
}

export interface NativeImage {
  reference: string
  digest: string
  sizeBytes: number
  layers: number
}

export interface NativePull {
  next(): Answer<NativePullStep[] | null>
  wait(): Answer<NativeImage>
  cancel(): void
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

export interface NativeMetrics {
  boxesCreated: number
  boxesDestroyed: number
  boxesFailed: number
  boxesRunning: number
  totalExecCalls: number
  totalExecErrors: number
  totalBytesTransferred: number
}

export interface NativeDoctorReport {
  ok: boolean
  engine?: string
  accelerated: boolean
  checks: { code: string; ok: boolean; message: string; remedy?: string }[]
}

/** The value of an answer, or its error thrown. */
export async function settled<T>(answer: Answer<T>): Promise<T> {
  const { ok, error } = await answer
  if (error !== undefined) throw errorFrom(error)
  return ok as T
}
