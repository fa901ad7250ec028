// The addon's events, as `src/addon/event.rs` hands them over: with the names that they have in Rust.

export interface NativeEvents {
  /** What happened since the last call; `null` when nothing more can come. */
  drain(): NativeEvent[] | null
  close(): void
}

export interface NativeEvent {
  time_ms: number
  box_id: string | null
  /** Exactly one property is there. */
  kind: Partial<NativeEventKinds>
  /** The name of the signal that ended the process, if one did. */
  signal: string | null
}

export interface NativeEventKinds {
  state: { from: string | null; to: string | null; failure: string | null }
  exec_started: { execution_id: string; command: string; pid: number }
  exec_exited: { execution_id: string; exit: { code: number | null; timed_out: boolean; oom_killed: boolean } }
  main_started: { pid: number; restarts: number }
  main_exited: { code: number | null; oom: boolean; restarts: boolean }
  health: { health: string; output: string; failures: number }
  out_of_memory: { execution_id: string | null }
  network: {
    address: string | null
    port: number
    protocol: string
    name: string | null
    rule: string
    count: number
  }
  limit: 'max_lifetime' | 'idle_timeout' | 'ends_at'
  pull: {
    source: string
    phase: 'started' | { done: { digest: string } } | { failed: { code: string; message: string } }
  }
  lost: number
}
