// How to publish, reach and wait for a port of a box. Checked here for `ports.ts`, `connection.ts` and `fetch.ts`.
import { isIP } from 'node:net'
import { type Check, checkArgument, checkOptions, integer, oneOf, type Shape } from '../check.js'
import { abortSignal, milliseconds } from './values.js'

/** How to publish a port. */
export interface PublishOptions {
  /** The port on this machine; 0 is a free one, which the answer tells. Default: 0. */
  host?: number
  /** Default: `'tcp'`. */
  protocol?: 'tcp' | 'udp'
  /**
   * The address of this machine that is listened on. `'0.0.0.0'` and `'::'` are all of them: other machines then reach the box, and a
   * warning of the process says so. Default: `'127.0.0.1'`.
   */
  bind?: string
}

/** Which publications to withdraw. */
export interface UnpublishOptions {
  /** Default: `'tcp'`. */
  protocol?: 'tcp' | 'udp'
}

/** How to connect to a port of a box. */
export interface ConnectOptions {
  /** Milliseconds that the connection may take to be made once the box runs, 1 to 60 000. Default: 10 000. */
  timeoutMs?: number
  /** Destroys the connection with the code `ABORTED`, whether or not it is made. Default: none. */
  signal?: AbortSignal
}

/** How to wait for a port of a box. */
export interface WaitForPortOptions {
  /** Milliseconds to wait at most, once the box runs. Default: 60 000. */
  timeoutMs?: number
  /** Ends the wait and rejects with the code `ABORTED`. Default: none. */
  signal?: AbortSignal
}

const port = integer(1, 65_535)
const protocol = oneOf('tcp', 'udp')
const address: Check = {
  expected: "an IP address, such as '127.0.0.1'",
  holds: value => typeof value === 'string' && isIP(value) !== 0 && !value.includes('%'),
}
const PUBLISH: Shape<PublishOptions> = { host: integer(0, 65_535), protocol, bind: address }
const CONNECT: Shape<ConnectOptions> = { timeoutMs: integer(1, 60_000, 'milliseconds'), signal: abortSignal }
const WAIT: Shape<WaitForPortOptions> = { timeoutMs: milliseconds, signal: abortSignal }

/** Refuses what is no port of a box. */
export function checkPort(operation: string, given: unknown): void {
  checkArgument(operation, 'port', given, port)
}

/** Checked options of `box.publish`. */
export function publishOptions(options: PublishOptions | undefined): PublishOptions {
  return checkOptions<PublishOptions>('box.publish', options, PUBLISH)
}

/** The checked protocol of `box.unpublish`. */
export function unpublishProtocol(options: UnpublishOptions | undefined): string {
  return checkOptions<UnpublishOptions>('box.unpublish', options, { protocol }).protocol ?? 'tcp'
}

/** Checked options of `box.connect`. */
export function connectOptions(options: ConnectOptions | undefined): ConnectOptions {
  return checkOptions<ConnectOptions>('box.connect', options, CONNECT)
}

/** Checked options of `box.waitForPort`. */
export function waitForPortOptions(options: WaitForPortOptions | undefined): WaitForPortOptions {
  return checkOptions<WaitForPortOptions>('box.waitForPort', options, WAIT)
}
