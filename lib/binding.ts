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
  registries: { host: string; http: boolean }[]
  parts?: string | undefined
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
}

export interface NativeRuntime {
  readonly home: string
  create(options: BoxInput): Answer<NativeBox>
  get(idOrName: string): Answer<NativeBox>
  list(): Answer<NativeBoxInfo[]>
  remove(idOrName: string, force: boolean): Answer<void>
  pull(source: string, policy: string): Answer<NativeImage>
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
}

export interface NativeExecution {
  readonly id: string
  readonly pid: number
  recv(max: number): Answer<NativeChunk[] | null>
  write(data: Uint8Array): Answer<void>
  closeStdin(): Answer<void>
  kill(signal: number): Answer<boolean>
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
