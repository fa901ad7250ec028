// The addon's ports and connections, as `src/addon/dial.rs`, `connection.rs` and `port_wait.rs` make them.

import type { Answer } from './outcome.js'

/** A published port, by the names that it has in Rust. */
export interface NativePort {
  guest: number
  host: number
  protocol: 'tcp' | 'udp'
  bind: string
}

/** A port to publish; what is left out is as `src/spec` has it. */
export interface NativePortWish {
  guest: number
  host?: number | undefined
  protocol?: string | undefined
  bind?: string | undefined
}

export interface NativeDial {
  wait(): Answer<NativeConnection>
  cancel(): void
}

export interface NativeConnection {
  read(): Answer<Buffer | null>
  write(data: Uint8Array): Answer<void>
  end(): Answer<void>
  close(): void
}

export interface NativePortWait {
  wait(): Answer<void>
  cancel(): void
}
