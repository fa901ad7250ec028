// `Box`: a micro-VM that looks like a container. Made by `runtime.ts`; its commands are run by `commands.ts`.
import type { Writable } from 'node:stream'
import { type NativeBox, type NativeMetricsSampler, settled } from './binding.js'
import { bindMembers } from './bound.js'
import { type BoxEnd, boxEnd } from './box-end.js'
import { cancellable } from './cancellable.js'
import { checkArgument, text } from './check.js'
import type { Chunks } from './chunks.js'
import { exec, shell, spawn } from './commands.js'
import { type Connection, makeConnection } from './connection.js'
import { type CopyInOptions, type CopyOutOptions, type CopyProgress, copyIn, copyOut } from './copy.js'
import { type Events, type EventsOptions, makeEvents } from './events.js'
import type { ExecResult } from './exec.js'
import { type Execution, makeExecution } from './execution.js'
import type { ExecutionInfo } from './execution-info.js'
import { type FetchInit, fetchFrom } from './fetch.js'
import { type FileSystem, makeFileSystem } from './fs.js'
import { type BoxInfo, boxInfo } from './info.js'
import { type LogEntry, type LogsOptions, logs } from './logs.js'
import { type BoxMetrics, boxMetrics } from './metrics.js'
import { type BoxNetwork, makeNetwork } from './network.js'
import {
  type RemoveOptions,
  removeForce,
  type StartOptions,
  type StopOptions,
  startOptions,
  stopTimeout,
  type UpdateOptions,
  updateInput,
  type WaitOptions,
  waitSignal,
} from './options/box.js'
import type { ExecOptions, SpawnOptions } from './options/execution.js'
import {
  type ConnectOptions,
  checkPort,
  connectOptions,
  type PublishOptions,
  type UnpublishOptions,
  type WaitForPortOptions,
} from './options/port.js'
import { type PublishedPort, ports, publish, unpublish, waitForPort } from './ports.js'
import { samples, type WatchMetricsOptions } from './sampling.js'
import type { Shell } from './sh.js'

/** Makes a box from its native handle. Not part of the public API. */
export let makeBox: (native: NativeBox) => Box

/**
 * A Linux micro-VM with its own kernel that looks like a container: an OCI image in, commands with streams out, files kept
 * over stop and start. `runtime.create` makes one, `runtime.get` finds one again.
 *
 * A box starts at its first use. `await using` stops a box with a name, which keeps its files, and removes one without; a
 * detached one goes on. Any process that opens the home may use a box, also while it runs.
 */
export class Box implements AsyncDisposable {
  /** The box's identity, which never changes. */
  readonly id: string
  /** Its image, as it was given. */
  readonly image: string
  /** Whether it outlives the process that started it. */
  readonly detached: boolean
  /** Runs a shell line whose values are quoted; see {@link Shell}. */
  readonly sh: Shell
  #native: NativeBox
  #fs: FileSystem | undefined
  #network: BoxNetwork | undefined
  #sampler: NativeMetricsSampler | undefined
  #name: string | null

  static {
    makeBox = native => new this(native)
  }

  private constructor(native: NativeBox) {
    this.#native = native
    this.id = native.id
    this.#name = native.name
    this.image = native.image
    this.detached = native.detached
    this.sh = shell(native)
    bindMembers(this)
  }

  /**
   * Runs a command and collects its output. The command is a program, not a shell line: see {@link Box.sh} for those.
   *
   * A non-zero exit code resolves, unless `check` is set. Rejects with `EXEC_TIMEOUT`, `EXEC_MAX_BUFFER`,
   * `EXEC_NON_ZERO` and `ABORTED`, each with the output so far, with `COMMAND_NOT_FOUND`, `COMMAND_NOT_EXECUTABLE`,
   * `EXEC_CWD` and `EXEC_USER`, and with the error of the box's start.
   *
   * @param command - a path, or a name that is looked up in `PATH` inside the box
   * @param args - its arguments. Default: none.
   *
   * @example
   * ```ts
   * const { exitCode, stdout } = await box.exec('uname', ['-a'], { timeoutMs: 5_000 })
   * ```
   */
  exec(
    command: string,
    args: readonly string[],
    options: ExecOptions & { encoding: 'buffer' },
  ): Promise<ExecResult<Buffer>>
  exec(command: string, options: ExecOptions & { encoding: 'buffer' }): Promise<ExecResult<Buffer>>
  exec(command: string, args?: readonly string[], options?: ExecOptions): Promise<ExecResult>
  exec(command: string, options?: ExecOptions): Promise<ExecResult>
  async exec(
    command: string,
    argsOrOptions?: readonly string[] | ExecOptions,
    maybeOptions?: ExecOptions,
  ): Promise<ExecResult<string | Buffer>> {
    // Await here and below, so that an error's stack shows the caller.
    return await exec(this.#native, command, argsOrOptions, maybeOptions)
  }

  /**
   * Starts a command and returns at once; its streams, its end and its failures are the {@link Execution}'s.
   *
   * @param command - a path, or a name that is looked up in `PATH` inside the box
   * @param args - its arguments. Default: none.
   * @throws {@link InvalidArgumentError} for wrong arguments or options, at once
   */
  spawn(command: string, args?: readonly string[], options?: SpawnOptions): Execution
  spawn(command: string, options?: SpawnOptions): Execution
  spawn(command: string, argsOrOptions?: readonly string[] | SpawnOptions, maybeOptions?: SpawnOptions): Execution {
    return spawn(this.#native, command, argsOrOptions, maybeOptions)
  }

  /** Resolves with the running executions, the oldest first. A box that does not run is not started. */
  async executions(): Promise<ExecutionInfo[]> {
    const running = await settled(this.#native.executions())
    return running.map(({ age_ms, ...info }) => ({ ...info, startedAt: new Date(Date.now() - age_ms) }))
  }

  /**
   * Finds an execution by its id, such as one that was started with `detached`: one that runs, or has ended in the last ten
   * minutes (the last 1024). Several handles may read it: each begins with the oldest bytes that the box retains. Several may
   * write to its `stdin`. Disposing of it leaves it running; `started` and `wait()` reject with
   * `EXEC_NOT_FOUND` if there is nothing of that id.
   */
  execution(id: string): Execution {
    checkArgument('box.execution', 'id', id, text)
    return makeExecution(() => settled(this.#native.execution(id)), { detached: true })
  }

  /** Its name, else `null`, as last read by this handle. */
  get name(): string | null {
    return this.#name
  }

  /** The box's files, with the names of `node:fs/promises`. */
  get fs(): FileSystem {
    this.#fs ??= makeFileSystem(this.#native.files())
    return this.#fs
  }

  /** What the box may reach, which can be changed while it runs. */
  get network(): BoxNetwork {
    this.#network ??= makeNetwork(this.#native)
    return this.#network
  }

  /**
   * Publishes a port of the box on this machine, and starts the box if it does not run. Connections reach what listens in the box, on its own
   * 127.0.0.1 too, also with `network: 'none'`. A client of a port on which nothing listens is reset. The port is published until
   * the box stops; those of `runtime.create` are published at every start.
   *
   * Rejects with `PORT_IN_USE` if the port of this machine is taken, with `PORT_DENIED` if it may not be listened on, and with the error
   * of the box's start.
   *
   * @example
   * ```ts
   * const { host } = await box.publish(8080)
   * console.log(`http://127.0.0.1:${host}`)
   * ```
   */
  async publish(port: number, options?: PublishOptions): Promise<PublishedPort> {
    return await publish(this.#native, port, options)
  }

  /**
   * Withdraws every publication of a port, until the box stops, and closes its connections. Resolves with those that were withdrawn: none
   * if the box does not run.
   */
  async unpublish(port: number, options?: UnpublishOptions): Promise<PublishedPort[]> {
    return await unpublish(this.#native, port, options)
  }

  /** Resolves with the ports that are published now, the oldest first. A box that does not run has none, and is not started. */
  async ports(): Promise<PublishedPort[]> {
    return await ports(this.#native)
  }

  /**
   * Connects to a TCP port in the box, as from inside it, and returns at once, as `net.connect` does. It starts the box if that does not run,
   * also with `network: 'none'`. The connection emits `connect` when it is made, and `error` with `PORT_CLOSED` if nothing listens
   * there, with `PORTAL_LOST` if the box ends, or with the error of the box's start.
   *
   * @throws {@link InvalidArgumentError} for a wrong port or options, at once
   */
  connect(port: number, options?: ConnectOptions): Connection {
    checkPort('box.connect', port)
    const checked = connectOptions(options)
    return makeConnection(() => this.#native.connect(port, checked.timeoutMs), port, checked)
  }

  /**
   * Sends an HTTP request to a service in the box, with the meaning of the global `fetch`, also with `network: 'none'`. The URL is
   * `http://localhost:PORT/path`, or a path for the port `init.port`.
   *
   * Rejects with `INVALID_ARGUMENT` for a URL that is not of the box, with `PORT_CLOSED` if nothing listens there, with the error of
   * the box's start, with the reason of `init.signal`, and with a TypeError as `fetch` does where the service breaks HTTP.
   *
   * @example
   * ```ts
   * const response = await box.fetch('/health', { port: 8080 })
   * ```
   */
  async fetch(input: string | URL | Request, init?: FetchInit): Promise<Response> {
    return await fetchFrom(port => this.connect(port), input, init)
  }

  /**
   * Resolves when something in the box accepts connections to a TCP port; starts the box if it does not run. What listens there sees
   * a connection that ends at once. Rejects with `PORT_CLOSED` if nothing listens there in time.
   */
  async waitForPort(port: number, options?: WaitForPortOptions): Promise<void> {
    await waitForPort(this.#native, port, options)
  }

  /**
   * Copies a file or a tree of the host into the box, or unpacks a tar stream there.
   *
   * For a path, `to` is the copy itself: a folder is merged into an existing one, and a file is put into it under its own name. Modes, times,
   * symlinks, hard links and holes are preserved, and everything belongs to root unless `owner` says another. What exists and is of another
   * type is an error, unless `replace` is given. A tar stream is unpacked beneath the folder `to`, with the owners that it names.
   */
  async copyIn(from: string | Chunks, to: string, options?: CopyInOptions): Promise<CopyProgress> {
    return await copyIn(this.#native.files(), from, to, options)
  }

  /**
   * Copies a file or a tree of the box to the host, or gives it as a tar stream, whose end ends the Writable.
   *
   * What exists at `to` is treated as by `copyIn`. Nothing outside of `to` is touched, whatever the box sends. Setuid, setgid and sticky bits are dropped; devices,
   * sockets and FIFOs are left out; everything belongs to the user of this process.
   */
  async copyOut(from: string, to: string | Writable, options?: CopyOutOptions): Promise<CopyProgress> {
    return await copyOut(this.#native.files(), from, to, options)
  }

  /**
   * Starts the box if it does not run; several calls start it once. Any execution does so too.
   *
   * Rejects with `GUEST_TIMEOUT` if the guest stays silent, with `ABORTED`, and with other errors of the start.
   */
  async start(options?: StartOptions): Promise<void> {
    const { startTimeoutMs, signal } = startOptions(options)
    await cancellable('box.start', signal, () => this.#native.start(startTimeoutMs))
  }

  /** Stops the box: its processes end, its files stay. Nothing happens if it does not run. */
  async stop(options?: StopOptions): Promise<void> {
    await settled(this.#native.stop(stopTimeout('box.stop', options)))
  }

  /** Stops the box if it runs, as {@link Box.stop} does, and starts it. */
  async restart(options?: StopOptions): Promise<void> {
    await settled(this.#native.restart(stopTimeout('box.restart', options)))
  }

  /**
   * Resolves when the box has ended, whatever ended it and whichever process started it; at once if it does not run. A pending
   * wait keeps the program alive.
   */
  async wait(options?: WaitOptions): Promise<BoxEnd> {
    return await boxEnd(this.#native, waitSignal(options))
  }

  /**
   * Deletes the box with its files. Rejects with `BOX_STATE` if it runs and `force` is not set.
   *
   * With `force` it takes at most two seconds, and what a busy host needs to end killed processes, whatever the box or another
   * process does: a start under way is cancelled, a machine is killed, and every `wait` for the box resolves with `'stopped'`.
   */
  async remove(options?: RemoveOptions): Promise<void> {
    await settled(this.#native.remove(removeForce('box.remove', options)))
  }

  /** Resolves with a snapshot of the box. */
  async info(): Promise<BoxInfo> {
    const info = boxInfo(await settled(this.#native.info()))
    this.#name = info.name
    return info
  }

  /**
   * Changes the box, in any state. Each option says whether it applies at once or from the next start on, and {@link Box.info}
   * shows both. Processes go on. A start or stop that is under way is awaited.
   *
   * Rejects with `INVALID_ARGUMENT`, `BOX_NAME_TAKEN` and `BOX_REMOVED`. If the box runs and its guest can't be reached, it
   * rejects with that error, and the change applies from the next start on.
   *
   * @example
   * ```ts
   * await box.update({ endsAt: Date.now() + 30 * 60_000 }) // half an hour more
   * ```
   */
  async update(options: UpdateOptions): Promise<void> {
    await settled(this.#native.update(updateInput(options)))
    if (options.name !== undefined) this.#name = options.name
  }

  /**
   * Restarts the box's idle time, as any other call that reaches the box does. Resolves with whether the box runs; a box that
   * does not is not started.
   */
  async touch(): Promise<boolean> {
    return await settled(this.#native.touch())
  }

  /** Resolves with the box's figures. A box that does not run is not started, and its guest's figures are `null`. */
  async metrics(): Promise<BoxMetrics> {
    this.#sampler ??= this.#native.metricsSampler()
    return boxMetrics(await settled(this.#sampler.sample()))
  }

  /** Yields the box's figures at once and then at each interval. */
  watchMetrics(options?: WatchMetricsOptions): AsyncIterableIterator<BoxMetrics> {
    const sampler = this.#native.metricsSampler()
    return samples('box.watchMetrics', options, async () => boxMetrics(await settled(sampler.sample())))
  }

  /** Returns this box's later events, as far as this process causes or sees them; see {@link Events}. */
  events(options?: EventsOptions): Events {
    return makeEvents('box.events', wake => settled(this.#native.events(wake)), options)
  }

  /**
   * Returns what the main process wrote, or with `source: 'console'` what the box's kernel and agent wrote: up to 16 MiB, or 1 MiB of
   * the console, whether or not the box runs. With `follow` it goes on until the box ends.
   *
   * @throws {@link InvalidArgumentError} for wrong options, at once
   */
  logs(options?: LogsOptions): AsyncIterableIterator<LogEntry> {
    return logs(this.#native, options)
  }

  /** Stops a box with a name, removes one without. A detached box, or one that another process started, goes on. */
  async [Symbol.asyncDispose](): Promise<void> {
    await settled(this.#native.dispose())
  }
}
