// `Stdin`: an execution's standard input as a Node Writable. Made by `execution.ts`, calls the native `write`.
//
// A write completes when there is room further on, so a process that does not read holds its writer back.
import { Writable } from 'node:stream'
import { type NativeExecution, settled } from './binding.js'

/** Bytes of one message to the box. */
const MESSAGE_BYTES = 262_144

export class Stdin extends Writable {
  #execution: Promise<NativeExecution>

  constructor(execution: Promise<NativeExecution>) {
    super({ highWaterMark: MESSAGE_BYTES })
    this.#execution = execution
  }

  override _write(data: Buffer, _encoding: BufferEncoding, done: (error?: Error) => void): void {
    this.#send(data).then(
      () => done(),
      error => this.#fail(error, done),
    )
  }

  override _writev(chunks: { chunk: Buffer }[], done: (error?: Error) => void): void {
    const data = chunks.length === 1 && chunks[0] ? chunks[0].chunk : Buffer.concat(chunks.map(({ chunk }) => chunk))
    this._write(data, 'utf8', done)
  }

  override _final(done: (error?: Error) => void): void {
    this.#close().then(
      () => done(),
      error => this.#fail(error, done),
    )
  }

  async #send(data: Buffer): Promise<void> {
    const execution = await this.#execution
    for (let sent = 0; sent < data.length && !this.destroyed; sent += MESSAGE_BYTES) {
      await settled(execution.write(data.subarray(sent, sent + MESSAGE_BYTES)))
    }
  }

  async #close(): Promise<void> {
    await settled((await this.#execution).closeStdin())
  }

  /** Whoever listens is told here; `wait()`, `started` and the output tell everybody else. */
  #fail(error: Error, done: (error?: Error) => void): void {
    if (this.listenerCount('error') > 0) done(error)
    else this.destroy()
  }
}
