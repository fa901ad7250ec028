// `Outlet`: one output stream of an execution, `stdout` or `stderr`, as a Node Readable. Filled by `output.ts`.
//
// The Readable has a high-water mark of 0, so this queue is the only buffer: its bound is exact, and an error comes after
// all that arrived before it. Nobody's output is dropped in silence: what a stream that nobody reads can't hold is counted,
// and whoever reads it later gets an error after the part that was kept.
import { Readable } from 'node:stream'
import { ExecutionError } from './errors.js'

/** Bytes that wait for a reader before the process is held back, or, of a stream without reader, before they are dropped. */
export const HELD_BYTES = 1_048_576

/** What an outlet tells its output. */
export interface OutletOwner {
  /** Somebody reads for the first time. */
  claimed(): void
  /** There is room again. */
  drained(): void
  /** Whether somebody else learns of a failure, so that a stream without `error` listener may end quietly. */
  toldElsewhere(): boolean
}

export class Outlet {
  readonly stream: Readable
  #name: string
  #owner: OutletOwner
  #queue: Buffer[] = []
  #held = 0
  #lost = 0
  #wanted = false
  #claimed = false
  #finished = false
  #failure: Error | undefined

  constructor(name: string, owner: OutletOwner) {
    this.#name = name
    this.#owner = owner
    this.stream = new Readable({
      highWaterMark: 0,
      read: () => this.#read(),
      destroy: (error, done) => {
        this.#queue = []
        this.#held = 0
        done(error)
        owner.drained()
      },
    })
    // Node asks for data only in a later turn, when a short process may be over.
    this.stream.on('newListener', event => {
      if (event === 'data' || event === 'readable') this.#claim()
    })
  }

  /** Whether more may be pulled on this stream's account. One without reader never holds back the other. */
  get hasRoom(): boolean {
    return !this.#claimed || this.stream.destroyed || this.#held < HELD_BYTES
  }

  /** Resolves when the reader, if there is one, has had everything. */
  handedOver(): Promise<void> {
    if (!this.#claimed || this.stream.destroyed) return Promise.resolve()
    return new Promise(resolve => this.stream.once('close', resolve))
  }

  /** Takes output in; `kept` is output that was held before, for which there is always room. */
  deliver(data: Buffer, kept = false): void {
    if (this.stream.destroyed) return
    if (this.#wanted) {
      this.#wanted = false
      this.stream.push(data)
    } else if (this.#lost === 0 && (kept || this.#claimed || this.#held < HELD_BYTES)) {
      this.#queue.push(data)
      this.#held += data.length
    } else {
      this.lose(data.length)
    }
  }

  /** Counts output that could not be held. */
  lose(bytes: number): void {
    this.#lost += bytes
  }

  /** No more will come; with `failure`, because something broke. */
  finish(failure?: Error): void {
    if (this.#finished) return
    this.#finished = true
    this.#failure = failure
    if (this.#wanted) this.#end()
  }

  #claim(): void {
    if (this.#claimed) return
    this.#claimed = true
    this.#owner.claimed()
  }

  #read(): void {
    this.#claim()
    const data = this.#queue.shift()
    if (data !== undefined) {
      this.#held -= data.length
      this.stream.push(data)
      this.#owner.drained()
    } else if (this.#finished || this.#lost > 0) {
      this.#end()
    } else {
      this.#wanted = true
    }
  }

  #end(): void {
    const failure = this.#lost > 0 ? discarded(this.#name, this.#lost) : this.#failure
    if (failure === undefined) this.stream.push(null)
    else if (this.stream.listenerCount('error') > 0 || !this.#owner.toldElsewhere()) this.stream.destroy(failure)
    else this.stream.push(null)
  }
}

/** The error of a reader that came too late. */
export function discarded(name: string, bytes: number): ExecutionError {
  return new ExecutionError(
    'EXEC_MAX_BUFFER',
    `read ${name}: nobody read it while the process ran, and ${bytes} bytes did not fit in the ${HELD_BYTES} held`,
    { hint: `read execution.${name} while the process runs, before or besides wait()` },
  )
}
