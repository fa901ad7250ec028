// `Events`: events of boxes and images, as an EventEmitter and as an async iterator. Made by `runtime.ts` and `box.ts`; the union is in
// `event.ts`.
import { EventEmitter } from 'node:events'
import { onAbort } from './abort.js'
import type { NativeEvents } from './binding.js'
import { guardMembers } from './bound.js'
import { checkOptions } from './check.js'
import { aborted } from './errors.js'
import { eventOf, type RuntimeEvent } from './event.js'
import { abortSignal } from './options/values.js'
import { Wakeup } from './wakeup.js'

/** How to listen. */
export interface EventsOptions {
  /** Closes the events: iterators reject with `ABORTED`, listeners get `'close'`. Default: none. */
  signal?: AbortSignal
}

type Listened = { [T in RuntimeEvent['type']]: [event: Extract<RuntimeEvent, { type: T }>] } & {
  /** Every event. */
  event: [event: RuntimeEvent]
  /** No event follows. */
  close: []
}

/** The most events that wait for a slow iterator. */
const CAPACITY = 1024

/** A timer's longest time, so that it never fires. */
const LONG_MS = 2 ** 31 - 1

let isEvents: (value: unknown) => boolean

/** Listens through the addon. Not part of the public API. */
export let makeEvents: (
  operation: string,
  subscribe: (wake: () => void) => Promise<NativeEvents>,
  options: EventsOptions | undefined,
) => Events

/**
 * Later events of boxes and images: `runtime.events()` for all, `box.events()` for one. They are what this process causes or
 * sees; another process that uses the same box gets its own.
 *
 * Use it as an EventEmitter, with an event for each `type` and `'event'` for all; or iterate. Listeners don't keep a
 * program alive, an iteration does. A reader more than 1024 events behind loses the oldest and gets a `'lost'`.
 *
 * @example
 * ```ts
 * using events = runtime.events()
 * events.on('health', ({ boxId, health }) => console.log(boxId, health))
 * for await (const event of box.events()) if (event.type === 'exec') console.log(event.action, event.executionId)
 * ```
 */
export class Events extends EventEmitter<Listened> implements AsyncIterable<RuntimeEvent>, Disposable {
  #native: NativeEvents | undefined
  #failure: unknown
  #closed = false
  #signal: AbortSignal | undefined
  #over = () => {}
  #readers = new Set<Reader>()

  static {
    isEvents = value => typeof value === 'object' && value !== null && #readers in value
    makeEvents = (operation, subscribe, options) => {
      const { signal } = checkOptions<EventsOptions>(operation, options, { signal: abortSignal })
      return new this(subscribe, signal)
    }
  }

  private constructor(subscribe: (wake: () => void) => Promise<NativeEvents>, signal: AbortSignal | undefined) {
    super()
    this.#signal = signal
    if (signal?.aborted) {
      this.#closed = true
      return
    }
    this.#over = onAbort(signal, () => this.close())
    // Deliver the events that were queued before the first listener.
    EventEmitter.prototype.on.call(this, 'newListener', () => queueMicrotask(this.#take))
    subscribe(this.#take).then(this.#opened, error => {
      this.#failure = error
      this.close()
    })
  }

  /**
   * Iterates over later events, until the events or their runtime are closed. Several iterators each get every event. When the
   * last one is left and there are no listeners, the events are closed.
   */
  async *[Symbol.asyncIterator](): AsyncGenerator<RuntimeEvent, void, undefined> {
    const reader = new Reader()
    this.#readers.add(reader)
    try {
      for (;;) {
        this.#take()
        const event = reader.shift()
        if (event !== undefined) yield event
        else if (this.#failure !== undefined) throw this.#failure
        else if (this.#signal?.aborted) throw aborted('events', this.#signal)
        else if (this.#closed) return
        else await reader.wait()
      }
    } finally {
      this.#readers.delete(reader)
      if (this.#readers.size === 0 && !this.#listens()) this.close()
    }
  }

  /** Stops listening. Iterators end, and listeners get `'close'`. Doing so twice does nothing. */
  close(): void {
    this.#take()
    this.#end()
  }

  /** Does what {@link Events.close | close()} does. */
  [Symbol.dispose](): void {
    this.close()
  }

  #opened = (native: NativeEvents): void => {
    this.#native = native
    if (this.#closed) native.close()
    else this.#take()
  }

  #end(): void {
    if (this.#closed) return
    this.#closed = true
    this.#over()
    this.#native?.close()
    for (const reader of this.#readers) reader.notify()
    this.#emit('close')
  }

  /** Delivers queued events. Without listeners they stay in the native half, which retains the newest. */
  #take = (): void => {
    if (this.#closed || this.#native === undefined || (!this.#listens() && this.#readers.size === 0)) return
    const events = this.#native.drain()
    for (const event of (events ?? []).map(eventOf)) {
      for (const reader of this.#readers) reader.push(event)
      this.#emit(event.type, event)
      this.#emit('event', event)
    }
    if (events === null) this.#end()
  }

  #listens(): boolean {
    return this.eventNames().some(name => (name as string) !== 'newListener' && name !== 'close')
  }

  /** An exception of a listener is uncaught, as everywhere in Node; the other listeners still get the event. */
  #emit(name: keyof Listened, ...args: unknown[]): void {
    try {
      EventEmitter.prototype.emit.call(this, name, ...args)
    } catch (error) {
      process.nextTick(() => {
        throw error
      })
    }
  }
}

guardMembers(Events, 'events', isEvents)

/** The queue of one iterator. */
class Reader extends Wakeup {
  #events: RuntimeEvent[] = []
  #lost = 0

  push(event: RuntimeEvent): void {
    if (this.#events.length === CAPACITY) {
      this.#events.shift()
      this.#lost += 1
    }
    this.#events.push(event)
    this.notify()
  }

  shift(): RuntimeEvent | undefined {
    const count = this.#lost
    this.#lost = 0
    return count > 0 ? { type: 'lost', time: new Date(), count } : this.#events.shift()
  }

  /** Waits for the next `notify`, and meanwhile keeps the program alive. */
  override async wait(): Promise<void> {
    const alive = setInterval(() => {}, LONG_MS)
    await super.wait()
    clearInterval(alive)
  }
}
