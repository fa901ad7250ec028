// `Output`: pulls what a process writes and gives it to its reader: the two streams, or the iterator of events. Made by
// `execution.ts`, calls the native `recv`.
//
// Pulling stops while a reader is full, which in the end stops the process's writes. Until the first read, output waits in the
// order of the writes; after `release`, output beyond that queue is dropped.
import { type NativeExecution, type NativeExitStatus, settled } from './binding.js'
import { ExecutionError, InvalidArgumentError } from './errors.js'
import { discarded, HELD_BYTES, Outlet } from './outlet.js'
import { Wakeup } from './wakeup.js'

/** How a process ended. */
export interface ExitStatus {
  /** The exit code; `null` where a signal ended it. */
  exitCode: number | null
  /** The signal that ended it, such as `'SIGKILL'`; `null` where it exited by itself. */
  signal: string | null
  /** Whether it exceeded `timeoutMs`. */
  timedOut: boolean
  /** Whether the box's kernel killed it because memory ran out. */
  oomKilled: boolean
}

/** The public form of the addon's exit status. */
export function exitStatus(status: NativeExitStatus | undefined): ExitStatus {
  return {
    exitCode: status?.code ?? null,
    signal: status?.signal ?? null,
    timedOut: status?.timedOut ?? false,
    oomKilled: status?.oomKilled ?? false,
  }
}

/** What happens in an execution, in the order in which it happened; `exit` is the last. */
export type ExecEvent =
  | { type: 'stdout'; data: Buffer }
  | { type: 'stderr'; data: Buffer }
  | ({ type: 'exit' } & ExitStatus)

type OutputEvent = Exclude<ExecEvent, { type: 'exit' }>

/** Bytes to request at once: large enough that the cost of a call is negligible. */
const BATCH_BYTES = 262_144

type Reader = 'none' | 'streams' | 'events'

export class Output {
  readonly stdout: Outlet
  readonly stderr: Outlet
  /** Settles at the end of the process: with its status, or with what broke. */
  readonly ended: Promise<ExitStatus>
  #reader: Reader = 'none'
  #log: OutputEvent[] = []
  #held = 0
  #lost = { stdout: 0, stderr: 0 }
  #released = false
  #patient: boolean
  #discarding = false
  #over = false
  #change = new Wakeup()
  #settle!: { resolve: (status: ExitStatus) => void; reject: (error: Error) => void }

  /** With `patient`, nothing is pulled before the first read or wait. */
  constructor(execution: Promise<NativeExecution>, reportedElsewhere: () => boolean, patient = false) {
    this.#patient = patient
    const owner = {
      claimed: () => this.#toStreams(),
      drained: () => this.#change.notify(),
      reportedElsewhere,
    }
    this.stdout = new Outlet('stdout', owner)
    this.stderr = new Outlet('stderr', owner)
    this.ended = new Promise((resolve, reject) => {
      this.#settle = { resolve, reject }
    })
    // An end without a waiter must not be an unhandled rejection.
    this.ended.catch(() => {})
    this.#pull(execution).catch(error => this.fail(error))
  }

  /** Whether the process has ended or is lost. */
  get over(): boolean {
    return this.#over
  }

  /** Whether a stream has a listener for errors. */
  get hasErrorListener(): boolean {
    return this.stdout.hasErrorListener || this.stderr.hasErrorListener
  }

  /** Stops holding an unread process back: what can't be held is dropped and counted. */
  release(): void {
    this.#released = true
    this.#change.notify()
  }

  /** Drops all output from now on. */
  discard(): void {
    this.stdout.drop()
    this.stderr.drop()
    this.#log = []
    this.#held = 0
    this.#discarding = true
    this.release()
  }

  /** Ends every reader with `error`, after what came before. */
  fail(error: Error): void {
    if (this.#over) return
    this.#over = true
    this.#settle.reject(error)
    this.stdout.finish(error)
    this.stderr.finish(error)
    this.release()
  }

  /** The events in order. Takes the output: afterwards the streams are empty. */
  events(): AsyncGenerator<ExecEvent, void, undefined> {
    if (this.#reader !== 'none') {
      throw new InvalidArgumentError('execution: its output is being read already', {
        hint: 'read either `stdout` and `stderr`, or iterate the execution once',
      })
    }
    this.#reader = 'events'
    this.#change.notify()
    this.stdout.finish()
    this.stderr.finish()
    return this.#iterate()
  }

  async *#iterate(): AsyncGenerator<ExecEvent, void, undefined> {
    try {
      for (;;) {
        const event = this.#log.shift()
        if (event !== undefined) {
          this.#held -= event.data.length
          this.#change.notify()
          yield event
        } else if (this.#hasGap()) {
          throw discarded(this.#lost.stdout > 0 ? 'stdout' : 'stderr', this.#lost.stdout + this.#lost.stderr)
        } else if (this.#over) {
          yield { type: 'exit', ...(await this.ended) }
          return
        } else {
          await this.#change.wait()
        }
      }
    } finally {
      this.discard()
    }
  }

  async #pull(starting: Promise<NativeExecution>): Promise<void> {
    const execution = await starting
    for (;;) {
      while (!this.#hasRoom()) await this.#change.wait()
      const batch = await settled(execution.recv(BATCH_BYTES))
      if (batch === null) break
      for (const chunk of batch) {
        if (chunk.kind === 'exit') return this.#finish(chunk.status)
        this.#deliver(chunk.kind, chunk.data)
      }
    }
    this.fail(new ExecutionError('EXEC_FAILED', 'read output: it ended without an exit status'))
  }

  #hasRoom(): boolean {
    if (this.#over || this.#discarding || this.#hasGap()) return true
    if (this.#patient && this.#reader === 'none' && !this.#released) return false
    if (this.#reader === 'streams') return this.stdout.hasRoom && this.stderr.hasRoom
    return this.#held < HELD_BYTES || (this.#reader === 'none' && this.#released)
  }

  #hasGap(): boolean {
    return this.#lost.stdout + this.#lost.stderr > 0
  }

  #deliver(type: 'stdout' | 'stderr', data: Buffer | undefined): void {
    if (this.#over || this.#discarding || data === undefined) return
    if (this.#reader === 'streams') {
      this[type].deliver(data)
    } else if (this.#hasGap() || (this.#reader === 'none' && this.#released && this.#held >= HELD_BYTES)) {
      this.#lost[type] += data.length
    } else {
      this.#log.push({ type, data })
      this.#held += data.length
    }
    this.#change.notify()
  }

  #finish(status: NativeExitStatus | undefined): void {
    if (this.#over) return
    this.#over = true
    this.stdout.finish()
    this.stderr.finish()
    this.#settle.resolve(exitStatus(status))
    this.#change.notify()
  }

  /** Moves the queued output to the streams. */
  #toStreams(): void {
    if (this.#reader !== 'none') return
    this.#reader = 'streams'
    for (const { type, data } of this.#log) this[type].deliver(data, true)
    for (const type of ['stdout', 'stderr'] as const) this[type].lost += this.#lost[type]
    this.#log = []
    this.#held = 0
    this.#change.notify()
  }
}
