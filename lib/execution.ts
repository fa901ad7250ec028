// `Execution`: a process in a box, the counterpart of Node's ChildProcess. Made by `box.ts`; its output comes through
// `output.ts`, its input through `stdin.ts`.
import type { Readable, Writable } from 'node:stream'
import { onAbort } from './abort.js'
import { type NativeExecution, settled } from './binding.js'
import { guardMembers } from './bound.js'
import { type Check, checkArgument, integer } from './check.js'
import { ExecutionError, raised } from './errors.js'
import { cells, type SpawnOptions } from './options/execution.js'
import { type ExecEvent, type ExitStatus, Output } from './output.js'
import { preparedInput, Stdin } from './stdin.js'

/** The native half checks the names. */
const signals: Check = {
  expected: "a name such as 'SIGTERM' or a number from 0 to 64",
  holds: value => (typeof value === 'string' && /^SIG[A-Z]/.test(value)) || integer(0, 64).holds(value),
}

let isExecution: (value: unknown) => boolean

/** Makes an execution from what starts it. Not part of the public API. */
export let makeExecution: (start: () => Promise<NativeExecution>, options: SpawnOptions) => Execution

/**
 * A process in a box. Read its output either through `stdout` and `stderr` or by iterating the execution itself, which
 * yields events in the order in which they happened.
 *
 * - **Back-pressure.** While a stream that you read is full (1 MiB and one batch of 256 KiB) the process is held back, and
 *   nothing is lost. Both streams come in one order, so pausing one of them holds back the other.
 * - **Streams you don't read.** Before the first read or wait, 1 MiB is held and the process is held back. Once you call
 *   {@link Execution.wait | wait()} or read the other stream, an unread stream never blocks the process: its first 1 MiB is
 *   held and the rest dropped. Reading it after that yields what was held and then an `EXEC_MAX_BUFFER` error, never a gap.
 * - **Failures.** A process that can't be started, or a lost connection, rejects `started` and `wait()` and is an `error`
 *   event of each stream that has a listener for it. Handling one of them is enough.
 * - A live execution keeps the program alive, as a child process does.
 *
 * @example
 * ```ts
 * const child = box.spawn('sort')
 * child.stdin.end('b\na\n')
 * for await (const chunk of child.stdout) process.stdout.write(chunk)
 * const { exitCode } = await child.wait()
 * ```
 */
export class Execution implements AsyncDisposable, AsyncIterable<ExecEvent> {
  #stdin: Stdin | undefined
  #native: Promise<NativeExecution>
  #started: NativeExecution | undefined
  #output: Output
  #inputless = false
  #detached: boolean
  #reported = false

  static {
    makeExecution = (start, options) => new this(start, options)
    isExecution = value => typeof value === 'object' && value !== null && #output in value
  }

  private constructor(start: () => Promise<NativeExecution>, options: SpawnOptions) {
    const { signal } = options
    const feed = options.stdin === undefined ? undefined : preparedInput(options.stdin)
    this.#native = signal?.aborted ? Promise.reject(abortedExecution(signal)) : start()
    this.#native.then(
      native => {
        this.#started = native
      },
      () => {},
    )
    this.#detached = options.detached ?? false
    const reportedElsewhere = () => this.#reported || this.#output.hasErrorListener
    this.#output = new Output(this.#native, reportedElsewhere, this.#detached)
    if (feed === 'none') this.#inputless = true
    else feed?.(this.stdin, error => this.#output.over || this.#abandon(error))
    this.#watch(signal)
  }

  /** What the process reads. A write completes when there is room for more; `end()` is its end of file. */
  get stdin(): Writable {
    if (this.#stdin === undefined) {
      this.#stdin = new Stdin(this.#native, error => this.#abandon(error))
      if (this.#output.over || this.#inputless) this.#stdin.destroy()
    }
    return this.#stdin
  }

  /** What the process writes to standard output (with a terminal, to standard error too), as bytes. */
  get stdout(): Readable {
    return this.#output.stdout.stream
  }

  /** What the process writes to standard error, as bytes. */
  get stderr(): Readable {
    return this.#output.stderr.stream
  }

  /** The execution's identity in its box; `undefined` until {@link Execution.started | started}. */
  get id(): string | undefined {
    return this.#started?.id
  }

  /** The process's number inside the box; `undefined` until {@link Execution.started | started}. */
  get pid(): number | undefined {
    return this.#started?.pid
  }

  /**
   * Resolves when the process runs; the box is started first if need be. Rejects with `COMMAND_NOT_FOUND`,
   * `COMMAND_NOT_EXECUTABLE`, `EXEC_CWD`, `EXEC_USER`, `ABORTED`, or the error of the box's start.
   */
  get started(): Promise<void> {
    this.#reported = true
    return this.#native.then(() => {})
  }

  /**
   * Resolves when the process has ended and each stream that you read has handed over everything. Call it as often as you
   * like, also after the end. A stream that you began to read and paused holds it back.
   *
   * Rejects as `started` does, with `ABORTED`, and with `PORTAL_LOST` if the connection breaks. A `timeoutMs` that was
   * exceeded does not reject: `timedOut` says so.
   */
  async wait(): Promise<ExitStatus> {
    this.#reported = true
    this.#output.release()
    let status: ExitStatus
    try {
      status = await this.#output.ended
    } catch (error) {
      throw raised(error)
    }
    await Promise.all([this.#output.stdout.handedOver(), this.#output.stderr.handedOver()])
    return status
  }

  /**
   * Sends a signal to the process and all of its group, once it has started.
   *
   * @param signal - a name such as `'SIGINT'`, or a number; 0 sends none and checks whether it runs. Default: `'SIGTERM'`.
   * @returns `false` if the process had ended.
   */
  async kill(signal: string | number = 'SIGTERM'): Promise<boolean> {
    checkArgument('execution.kill', 'signal', signal, signals)
    if (this.#output.over && this.#started !== undefined) return false
    return settled((await this.#native).kill(signal))
  }

  /** Sets the size of the terminal, in characters, 1 to 65 535 each. Only for an execution with `tty`. */
  async resize(cols: number, rows: number): Promise<void> {
    checkArgument('execution.resize', 'cols', cols, cells)
    checkArgument('execution.resize', 'rows', rows, cells)
    await settled((await this.#native).resize(cols, rows))
  }

  /** The events in the order in which they happened. Leaving the loop drops the output that follows. */
  [Symbol.asyncIterator](): AsyncGenerator<ExecEvent, void, undefined> {
    this.#reported = true
    return this.#output.events()
  }

  /**
   * Ends the process, and all that it started, with SIGKILL if it still runs, and waits until it has gone. A `detached` one
   * is only detached from. Never rejects.
   */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#reported = true
    if (this.#detached) return this.#detach()
    this.#output.discard()
    this.#stdin?.destroy()
    if (!this.#output.over) await this.#killAll().catch(() => {})
    await this.#output.ended.catch(() => {})
  }

  /** Ends every process of the execution, also those that left its process group. */
  async #killAll(): Promise<void> {
    await settled((await this.#native).killAll())
  }

  async #detach(): Promise<void> {
    this.#output.fail(new ExecutionError('ABORTED', 'the execution was let go; `box.execution(id)` finds it again'))
    await this.#native.then(native => settled(native.detach())).catch(() => {})
  }

  #watch(signal: AbortSignal | undefined): void {
    const forget = onAbort(signal, () => signal && this.#abandon(abortedExecution(signal)))
    const end = () => {
      forget()
      this.#stdin?.destroy()
    }
    this.#output.ended.then(end, end)
  }

  /** Ends everything with `error`: readers and waiters at once, the process as soon as it can be reached. */
  #abandon(error: Error): void {
    this.#output.fail(error)
    this.#killAll().catch(() => {})
  }
}

guardMembers(Execution, 'execution', isExecution)

/** The error of an execution that `signal` ended. */
export function abortedExecution(signal: AbortSignal): ExecutionError {
  return new ExecutionError('ABORTED', 'the operation was aborted', { cause: signal.reason })
}
