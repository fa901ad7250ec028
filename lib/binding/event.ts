// The addon's events, as `src/addon/event.rs` makes them.

export interface NativeEvents {
  /** What happened since the last call; `null` when nothing more can come. */
  drain(): NativeEvent[] | null
  close(): void
}

/** Which fields are there depends on `kind`. */
export interface NativeEvent {
  kind: string
  timeMs: number
  boxId?: string
  from?: string
  to?: string
  failure?: string
  executionId?: string
  command?: string
  pid?: number
  code?: number
  signal?: string
  timedOut?: boolean
  oomKilled?: boolean
  restarts?: number
  restarting?: boolean
  health?: string
  output?: string
  failures?: number
  limit?: string
  source?: string
  digest?: string
  errorCode?: string
  message?: string
  count?: number
}
