// The addon's process in a box, as `src/addon/execution.rs` makes it.
import type { Answer, Failure } from './outcome.js'

export interface ExecInput {
  command: string
  args: string[]
  /** Left out by most commands: the addon reads each property by its name, which is a good part of a short one's cost. */
  options?: CommandOptions
}

export interface CommandOptions {
  env: Record<string, string>
  /** Variables of the box and its image that the process is not to have. */
  unset: string[]
  cwd?: string | undefined
  user?: string | undefined
  tty?: { cols: number; rows: number } | undefined
  stdin: boolean
  timeoutMs: number
  detached: boolean
}

export interface NativeExecution {
  readonly id: string
  readonly pid: number
  recv(max: number): Answer<NativeChunk[] | null>
  write(data: Uint8Array): Answer<void>
  closeStdin(): Answer<void>
  kill(signal: string | number): Answer<boolean>
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

/** How to collect what a command writes. */
export interface CollectInput {
  check?: boolean | undefined
  maxBuffer?: number | undefined
  /** What messages call the command. */
  title?: string | undefined
}

/** All that a command wrote, as `src/addon/collected.rs` makes it. A stream that is not there is empty. */
export interface NativeCollected {
  stdout?: Buffer
  stderr?: Buffer
  /** The end, if it came to that. */
  exit?: NativeExitStatus
  /** Why the call fails, if it does. */
  error?: Failure
}

/** A command whose output is collected while it is fed or can be aborted; `run` begins it, once. */
export interface NativeCommand {
  run(): Answer<NativeCollected>
  write(data: Uint8Array): Answer<void>
  closeStdin(): Answer<void>
  cancel(): void
}

export interface NativeExitStatus {
  code?: number
  signal?: string
  timedOut?: boolean
  oomKilled?: boolean
}

export interface NativeExecutionInfo {
  id: string
  pid: number
  command: string
  args: string[]
  tty: boolean
  detached: boolean
  age_ms: number
}
