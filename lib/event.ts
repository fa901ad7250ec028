// `RuntimeEvent`: the events of boxes and images as a typed union, made of the addon's events. Used by `events.ts`.
import type { NativeEvent, NativeEventKinds } from './binding.js'
import type { ErrorCode } from './errors.js'
import type { BoxState, Health } from './info.js'
import { camelCase } from './names.js'

interface Happened<T extends string> {
  type: T
  /** When this process received it. */
  time: Date
}

interface OfBox<T extends string> extends Happened<T> {
  /** The box's id. */
  boxId: string
}

/** How a process ended: exactly one of `exitCode` and `signal` is not `null`. */
interface Ended {
  exitCode: number | null
  signal: string | null
}

/** A box was made (`from` is `null`), changed its state, or was removed. */
export interface StateEvent extends OfBox<'state'> {
  from: BoxState | null
  to: BoxState | 'removed'
  /** Why it failed; else `null`. */
  failure: string | null
}

/** A command was started, or ended. The end is reported if this process reads its output or waits for it. */
export type ExecutionEvent = OfBox<'exec'> & { executionId: string } & (
    | { action: 'started'; command: string; pid: number }
    | ({ action: 'exited'; timedOut: boolean; oomKilled: boolean } & Ended)
  )

/** The box's main process was started, or ended. */
export type MainEvent = OfBox<'main'> &
  (
    | { action: 'started'; pid: number; restarts: number }
    | ({ action: 'exited'; oomKilled: boolean; restarting: boolean } & Ended)
  )

/** The box's health changed. `output` is the end of what the last check wrote, or why it could not be made. */
export interface HealthEvent extends OfBox<'health'> {
  health: Health
  failures: number
  output: string
}

/** A pull started, succeeded or failed. `boxId` is `null` for `images.pull`. */
export type ImagePullEvent = Happened<'pull'> & { boxId: string | null; source: string } & (
    | { action: 'started' }
    | { action: 'done'; digest: string }
    | { action: 'failed'; code: ErrorCode; message: string }
  )

/** The box's kernel killed a process because memory ran out; `executionId` is set where it is known. */
export interface OutOfMemoryEvent extends OfBox<'oom'> {
  executionId: string | null
}

/**
 * The box's network refused a destination: at most once a second for each, with the number since the last time. `rule` is the text of
 * the rule, `'default'` where none allows it, `'dns'` of a name service that is not the gateway's, `'quic'` where a name decides that QUIC
 * would hide, `'limit'` where there were too many connections, `'unsupported'` of a ping that this machine does not let its users send, or a
 * phrase that says what was wrong with the connection. With `backend: 'gvproxy'` it is also `'backend'` while that program has ended and is started again, which an event without an address tells.
 */
export interface NetworkEvent extends OfBox<'network'> {
  /** Its address; `null` if its name was refused before it was looked up. */
  address: string | null
  /** Its port; 0 of a name and of ICMP. */
  port: number
  protocol: 'tcp' | 'udp' | 'icmp'
  /** Its name, where one is known. */
  name: string | null
  rule: string
  count: number
}

/** A limit ends the box. */
export interface LimitEvent extends OfBox<'limit'> {
  limit: 'maxLifetimeMs' | 'idleTimeoutMs' | 'endsAt'
}

/** So many events are missing here, since they were read too slowly. */
export interface LostEvent extends Happened<'lost'> {
  count: number
}

/** An event of a box or an image; `type` distinguishes them. */
export type RuntimeEvent =
  | StateEvent
  | ExecutionEvent
  | MainEvent
  | HealthEvent
  | ImagePullEvent
  | OutOfMemoryEvent
  | NetworkEvent
  | LimitEvent
  | LostEvent

const LIMITS = { max_lifetime: 'maxLifetimeMs', idle_timeout: 'idleTimeoutMs', ends_at: 'endsAt' }

/** The fields of each kind of event; `signal` is the name of the signal that ended its process. */
const FIELDS: { [K in keyof NativeEventKinds]: (native: NativeEventKinds[K], signal: string | null) => object } = {
  state: ({ from, to, failure }) => ({ type: 'state', from, to: to ?? 'removed', failure }),
  exec_started: started => ({ type: 'exec', action: 'started', ...camelCase(started) }),
  exec_exited: ({ execution_id: executionId, exit: { code: exitCode, ...exit } }, signal) => ({
    type: 'exec',
    action: 'exited',
    executionId,
    ...camelCase(exit),
    exitCode,
    signal,
  }),
  main_started: started => ({ type: 'main', action: 'started', ...started }),
  main_exited: ({ code: exitCode, oom: oomKilled, restarts: restarting }, signal) => ({
    type: 'main',
    action: 'exited',
    exitCode,
    signal,
    oomKilled,
    restarting,
  }),
  health: change => ({ type: 'health', ...change }),
  out_of_memory: killed => ({ type: 'oom', ...camelCase(killed) }),
  network: refusal => ({ type: 'network', ...refusal }),
  limit: limit => ({ type: 'limit', limit: LIMITS[limit] }),
  pull: ({ source, phase }) => {
    if (phase === 'started') return { type: 'pull', action: 'started', source }
    if ('done' in phase) return { type: 'pull', action: 'done', source, ...phase.done }
    return { type: 'pull', action: 'failed', source, ...phase.failed }
  },
  lost: count => ({ type: 'lost', count }),
}

/** The public form of the addon's event. */
export function eventOf({ time_ms, box_id, kind, signal }: NativeEvent): RuntimeEvent {
  const [[name, native] = []] = Object.entries(kind)
  const fields = FIELDS[name as keyof NativeEventKinds](native as never, signal)
  return { ...fields, time: new Date(time_ms), ...(name !== 'lost' && { boxId: box_id }) } as RuntimeEvent
}
