// `RuntimeEvent`: the events of boxes and images as a typed union, made of the addon's events. Used by `events.ts`.
import type { NativeEvent } from './binding.js'
import type { ErrorCode } from './errors.js'
import type { BoxState, Health } from './info.js'

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
  | LimitEvent
  | LostEvent

/** The public form of the addon's event. */
export function eventOf(native: NativeEvent): RuntimeEvent {
  const { boxId = null, executionId = null } = native
  const base = { time: new Date(native.timeMs), boxId }
  const ended = () => ({
    exitCode: native.code ?? null,
    signal: native.signal ?? null,
    oomKilled: native.oomKilled ?? false,
  })
  const make = (): object => {
    switch (native.kind) {
      case 'state':
        return { type: 'state', ...base, from: native.from ?? null, to: native.to, failure: native.failure ?? null }
      case 'execStarted':
        return { type: 'exec', ...base, action: 'started', executionId, command: native.command, pid: native.pid }
      case 'execExited':
        return { type: 'exec', ...base, action: 'exited', executionId, ...ended(), timedOut: native.timedOut ?? false }
      case 'mainStarted':
        return { type: 'main', ...base, action: 'started', pid: native.pid, restarts: native.restarts }
      case 'mainExited':
        return { type: 'main', ...base, action: 'exited', ...ended(), restarting: native.restarting ?? false }
      case 'health':
        return { type: 'health', ...base, health: native.health, failures: native.failures, output: native.output }
      case 'oom':
        return { type: 'oom', ...base, executionId }
      case 'limit':
        return { type: 'limit', ...base, limit: native.limit }
      case 'pullStarted':
        return { type: 'pull', ...base, action: 'started', source: native.source }
      case 'pullDone':
        return { type: 'pull', ...base, action: 'done', source: native.source, digest: native.digest }
      case 'pullFailed':
        return {
          type: 'pull',
          ...base,
          action: 'failed',
          source: native.source,
          code: native.errorCode,
          message: native.message,
        }
      default:
        return { type: 'lost', time: base.time, count: native.count ?? 0 }
    }
  }
  return make() as RuntimeEvent
}
