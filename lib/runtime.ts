// `Runtime`: one home with its boxes and images; the first thing that a program makes. Calls the addon's `NativeRuntime`.
import { type NativeRuntime, settled } from './binding.js'
import { bindMembers } from './bound.js'
import { type Box, makeBox } from './box.js'
import { checkArgument, text } from './check.js'
import { type DoctorReport, examine } from './doctor.js'
import { RuntimeError } from './errors.js'
import { type Events, type EventsOptions, makeEvents } from './events.js'
import { checkSignals, closeOnSignal } from './host-signals.js'
import { type Images, makeImages } from './images.js'
import { type BoxInfo, boxInfo } from './info.js'
import { type RuntimeMetrics, runtimeMetrics } from './metrics.js'
import { native } from './native.js'
import { type BoxOptions, boxInput, boxName, type RemoveOptions, removeForce } from './options/box.js'
import { type BoxFilter, filterInput } from './options/filter.js'
import { type CloseOptions, checkRuntime, closeTimeout, type RuntimeOptions, runtimeInput } from './options/runtime.js'
import { warnOfWildcards } from './ports.js'
import { samples, type WatchMetricsOptions } from './sampling.js'

// A class that names itself in its own body gets another name in the bundle.
let makeRuntime: (options: RuntimeOptions) => Runtime

/** The runtime of `Runtime.default()`. */
let shared: Runtime | undefined

/**
 * A home with its boxes and images. Any number of processes and worker threads share a home, and each may use every box,
 * also those that others started. Several runtimes of one process on the same home end with the last `close`.
 *
 * @example
 * ```ts
 * await using runtime = await Runtime.open()
 * await using box = await runtime.create({ image: 'alpine:3' })
 * const { stdout } = await box.exec('echo', ['hello'])
 * ```
 */
export class Runtime implements AsyncDisposable {
  /** The image cache of this home. */
  readonly images: Images
  #opening: Promise<NativeRuntime> | undefined
  #options: RuntimeOptions
  #closed = false
  #closing: Promise<void> | undefined
  #unlisten: (() => void) | undefined

  static {
    makeRuntime = options => new this(options)
  }

  private constructor(options: RuntimeOptions) {
    this.#options = options
    this.images = makeImages(() => this.#native())
    bindMembers(this)
  }

  /**
   * Opens a home, and makes it if it is not there.
   *
   * Rejects with `INVALID_ARGUMENT`; with `HOME_LOCKED` if another process, which the error names, hangs while it changes the
   * list of boxes; and with `PART_MISSING` if the native part of this package is missing, saying how to get it.
   */
  static async open(options?: RuntimeOptions): Promise<Runtime> {
    const checked = checkRuntime('Runtime.open', options)
    if (checked.handleSignals) checkSignals()
    const runtime = makeRuntime(checked)
    await runtime.#native()
    if (checked.handleSignals) runtime.#unlisten = closeOnSignal(() => runtime.close())
    return runtime
  }

  /** The runtime of the default home with default options, shared by the whole program. It opens at its first use. */
  static default(): Runtime {
    if (shared === undefined || shared.#closed) shared = makeRuntime({})
    return shared
  }

  /**
   * Checks what this machine can do and resolves with the findings, each with a remedy. Rejects only with `INVALID_ARGUMENT` for
   * wrong options.
   */
  static doctor(options?: RuntimeOptions): Promise<DoctorReport> {
    return examine(options)
  }

  /**
   * Makes a box, and returns at once: it starts at its first use. That some of its `ports` are to be published on every address of this
   * machine is a warning of the process.
   *
   * Rejects with `INVALID_ARGUMENT` and `BOX_NAME_TAKEN`.
   */
  async create(options: BoxOptions): Promise<Box> {
    const input = boxInput(options)
    const box = makeBox(await settled((await this.#native()).create(input)))
    warnOfWildcards(box.id, input.ports)
    return box
  }

  /** Finds a box by its id or name. Rejects with `BOX_NOT_FOUND`. */
  async get(idOrName: string): Promise<Box> {
    checkArgument('runtime.get', 'idOrName', idOrName, text)
    return makeBox(await settled((await this.#native()).get(idOrName)))
  }

  /**
   * Finds the box of a name, or makes it, however many callers of any process do so at once. An
   * existing box is returned as it is: the other options apply only to a new one.
   *
   * Rejects with `INVALID_ARGUMENT`.
   *
   * @example
   * ```ts
   * const box = await runtime.getOrCreate({ image: 'alpine:3', name: 'workspace' })
   * ```
   */
  async getOrCreate(options: BoxOptions & { name: string }): Promise<Box> {
    const input = boxInput(options, 'runtime.getOrCreate')
    checkArgument('runtime.getOrCreate', 'options.name', options.name, boxName)
    const box = makeBox(await settled((await this.#native()).getOrCreate(input)))
    warnOfWildcards(box.id, input.ports)
    return box
  }

  /** Resolves with snapshots of all boxes of this home, or of those that match, the oldest first. */
  async list(filter?: BoxFilter): Promise<BoxInfo[]> {
    const input = filterInput(filter)
    return (await settled((await this.#native()).list(input))).map(boxInfo)
  }

  /** Deletes a box with its files. Rejects with `BOX_NOT_FOUND`, and with `BOX_STATE` if it runs and `force` is not set. */
  async remove(idOrName: string, options?: RemoveOptions): Promise<void> {
    checkArgument('runtime.remove', 'idOrName', idOrName, text)
    const force = removeForce('runtime.remove', options)
    await settled((await this.#native()).remove(idOrName, force))
  }

  /** Resolves with the counters of this runtime. */
  async metrics(): Promise<RuntimeMetrics> {
    return runtimeMetrics(await settled((await this.#native()).metrics()))
  }

  /** Yields the counters at once and then at each interval. */
  watchMetrics(options?: WatchMetricsOptions): AsyncIterableIterator<RuntimeMetrics> {
    return samples('runtime.watchMetrics', options, () => this.metrics())
  }

  /**
   * Resolves with the counters of this runtime and the figures of every box of this home, in Prometheus' text format. A box that can't be
   * measured appears without its figures.
   *
   * @example
   * ```ts
   * createServer(async (_, answer) => answer.end(await runtime.prometheus())).listen(9464)
   * ```
   */
  async prometheus(): Promise<string> {
    return settled((await this.#native()).prometheus())
  }

  /** Returns later events of boxes and images, as far as this process causes or sees them; see {@link Events}. */
  events(options?: EventsOptions): Events {
    const subscribe = async (wake: () => void) => settled((await this.#native()).events(wake))
    return makeEvents('runtime.events', subscribe, options)
  }

  /**
   * Ends the attached boxes that this process started, all at once, which keeps their files. Detached boxes, and those of
   * other processes, go on. Further calls wait for the first.
   */
  async close(options?: CloseOptions): Promise<void> {
    const timeout = closeTimeout(options)
    this.#closing ??= this.#close(timeout)
    await this.#closing
  }

  /** Does what {@link Runtime.close | close()} does. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  async #close(timeout: number | undefined): Promise<void> {
    this.#closed = true
    const opened = await this.#opening?.catch(() => undefined)
    try {
      if (opened !== undefined) await settled(opened.close(timeout))
    } finally {
      this.#unlisten?.()
    }
  }

  async #native(): Promise<NativeRuntime> {
    if (this.#closed) throw new RuntimeError('RUNTIME_CLOSED', 'use runtime: it was closed')
    this.#opening ??= openNative(this.#options)
    try {
      return await this.#opening
    } catch (error) {
      // The next call tries again, since the cause may be gone by then.
      this.#opening = undefined
      throw error
    }
  }
}

async function openNative(options: RuntimeOptions): Promise<NativeRuntime> {
  const { binding, parts } = native()
  return settled(binding.open({ ...runtimeInput(options), parts }))
}
