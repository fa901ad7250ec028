// `Connection`: a connection to a port in a box as a Node Duplex. Made by `box.ts` and `fetch.ts`, calls the native dial.
//
// Bytes are fetched only when Node reads them, and a write completes when there is room further on, so each side holds the other back.
import { Duplex } from 'node:stream'
import { onAbort } from './abort.js'
import { type NativeConnection, type NativeDial, settled } from './binding.js'
import { aborted } from './errors.js'
import type { ConnectOptions } from './options/port.js'

/** Bytes of one call into the addon. */
const CHUNK_BYTES = 262_144

type Done = (error?: Error | null) => void

/** Makes a connection from what dials. Not part of the public API. */
export let makeConnection: (dial: () => NativeDial, port: number, options: ConnectOptions) => Connection

/**
 * A connection to a port in a box, as `net.Socket` is one: bytes may be written at once, `connect` is emitted when it is made, and `error`
 * when it can't be or breaks. Each direction ends by itself. `destroy()` closes it.
 */
export class Connection extends Duplex {
  /** The port in the box. */
  readonly port: number
  #begin: () => NativeDial
  #dial: NativeDial | undefined
  #native: NativeConnection | undefined
  #forget: () => void

  static {
    makeConnection = (dial, port, options) => new this(dial, port, options)
  }

  private constructor(dial: () => NativeDial, port: number, { signal }: ConnectOptions) {
    super({ allowHalfOpen: true })
    this.port = port
    this.#begin = dial
    this.#forget = onAbort(signal, () => this.destroy(aborted('box.connect', signal as AbortSignal)))
    if (signal?.aborted) this.destroy(aborted('box.connect', signal))
  }

  /** Whether it is still being made. */
  get connecting(): boolean {
    return this.#native === undefined && !this.destroyed
  }

  override destroy(error?: Error): this {
    // Node calls `_destroy` only when the connection is made, which this ends.
    this.#dial?.cancel()
    return super.destroy(error)
  }

  override _construct(done: Done): void {
    if (this.destroyed) {
      done()
      return
    }
    this.#dial = this.#begin()
    settled(this.#dial.wait()).then(
      native => {
        this.#native = native
        done()
        if (!this.destroyed) this.emit('connect')
      },
      // That it was given up is no failure of its own.
      error => done(this.destroyed ? null : error),
    )
  }

  override _read(): void {
    settled(this.#made.read()).then(
      chunk => {
        if (!this.destroyed) this.push(chunk)
      },
      error => this.destroy(error),
    )
  }

  override _write(data: Buffer, _encoding: BufferEncoding, done: Done): void {
    this.#send(data).then(() => done(), done)
  }

  override _writev(chunks: { chunk: Buffer }[], done: Done): void {
    this._write(Buffer.concat(chunks.map(({ chunk }) => chunk)), 'utf8', done)
  }

  override _final(done: Done): void {
    settled(this.#made.end()).then(() => done(), done)
  }

  override _destroy(error: Error | null, done: Done): void {
    this.#forget()
    this.#native?.close()
    done(error)
  }

  /** Node reads and writes only what was constructed. */
  get #made(): NativeConnection {
    return this.#native as NativeConnection
  }

  async #send(data: Buffer): Promise<void> {
    for (let sent = 0; sent < data.length && !this.destroyed; sent += CHUNK_BYTES) {
      await settled(this.#made.write(data.subarray(sent, sent + CHUNK_BYTES)))
    }
  }
}
