// `Outlet`: one output stream of an execution, `stdout` or `stderr`, as a Node Readable. Filled by `output.ts`.
//
// The Readable has a high-water mark of 0, so this queue is the only buffer: its bound is exact, and an error comes after
// all that arrived before it. Bytes that an unread stream can't hold are counted, and a later reader gets an error after those
// that were held.
import { Readable } from 'node:stream'
import { ExecutionError } from './errors.js'

/** Bytes that wait for a reader before the process is held back, or, of a stream without reader, before they are dropped. */
export const HELD_BYTES = 1_048_576

/** What an outlet reports to its output. */
export interface OutletOwner {
  /** Called at the first read. */
  claimed(): void
  /** Called when there is room again. */
  drained(): void
  /** Whether a failure is reported elsewhere, so that a stream without `error` listener may end without one. */
  reportedElsewhere(): boolean
}

export class Outlet {
  /** Bytes that could not be held. */
  lost = 0
  #name: string
  #owner: OutletOwner
  #stream: Readable | undefined
  #queue: Buffer[] = []
  #held = 0
  #wanted = false
  #claimed = false
  #dropped = false
  #finished = false
  #failure: Error | undefined

  constructor(name: string, owner: OutletOwner) {
    this.#name = name
    this.#owner = owner
  }

  /** The Node stream; made at its first use, since most executions are only collected. */
  get stream(): Readable {
    if (this.#stream !== undefined) return this.#stream
    const stream = new Readable({
      highWaterMark: 0,
      read: () => this.#read(),
      destroy: (error, done) => {
        this.drop()
        done(error)
      },
    })
    // Node requests data only in a later turn, when a short process may have ended.
    stream.on('newListener', event => {
      if (event === 'data' || event === 'readable') this.#claim()
    })
    this.#stream = stream
    if (this.#dropped) stream.destroy()
    return stream
  }

  /** Whether more may be pulled on this stream's account. One without reader never holds back the other. */
  get hasRoom(): boolean {
    return !this.#claimed || this.#dropped || this.#held < HELD_BYTES
  }

  /** Whether there is an `error` listener. */
  get hasErrorListener(): boolean {
    return this.#stream !== undefined && this.#stream.listenerCount('error') > 0
  }

  /** Resolves when the reader, if there is one, has received everything. */
  handedOver(): Promise<void> {
    const stream = this.#stream
    if (stream === undefined || !this.#claimed || this.#dropped) return Promise.resolve()
    return new Promise(resolve => stream.once('close', resolve))
  }

  /** Queues output. With `replayed`, it was held before, and there is always room for it. */
  deliver(data: Buffer, replayed = false): void {
    if (this.#dropped) return
    if (this.#wanted) {
      this.#wanted = false
      this.#stream?.push(data)
    } else if (this.lost === 0 && (replayed || this.#claimed || this.#held < HELD_BYTES)) {
      this.#queue.push(data)
      this.#held += data.length
    } else {
      this.lost += data.length
    }
  }

  /** Drops held and later output, since there is no reader. */
  drop(): void {
    if (this.#dropped) return
    this.#dropped = true
    this.#queue = []
    this.#held = 0
    this.#stream?.destroy()
    this.#owner.drained()
  }

  /** Ends the stream, with `failure` if something broke. */
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
      this.#stream?.push(data)
      this.#owner.drained()
    } else if (this.#finished || this.lost > 0) {
      this.#end()
    } else {
      this.#wanted = true
    }
  }

  #end(): void {
    const failure = this.lost > 0 ? discarded(this.#name, this.lost) : this.#failure
    if (failure === undefined) this.#stream?.push(null)
    else if (this.hasErrorListener || !this.#owner.reportedElsewhere()) this.#stream?.destroy(failure)
    else this.#stream?.push(null)
  }
}

/** The error for output that was dropped because it was not read in time. */
export function discarded(name: string, bytes: number): ExecutionError {
  return new ExecutionError(
    'EXEC_MAX_BUFFER',
    `read ${name}: nobody read it while the process ran, and ${bytes} bytes did not fit in the ${HELD_BYTES} held`,
    { hint: `read execution.${name} while the process runs, before or besides wait()` },
  )
}
