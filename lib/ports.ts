// The ports of a box that are published on this machine, and the wait for one. Called by `box.ts`, and by `runtime.ts` for those of a new
// box.
import { type NativeBox, type NativePort, type PortInput, settled } from './binding.js'
import { cancellable } from './cancellable.js'
import {
  checkPort,
  type PublishOptions,
  publishOptions,
  type UnpublishOptions,
  unpublishProtocol,
  type WaitForPortOptions,
  waitForPortOptions,
} from './options/port.js'

/** A port of a box that is published on this machine. */
export interface PublishedPort {
  /** The port in the box. */
  guest: number
  /** The port on this machine. */
  host: number
  protocol: 'tcp' | 'udp'
  /** The address of this machine that is listened on. */
  bind: string
}

/** Publishes a port; starts the box first if needed. */
export async function publish(
  native: NativeBox,
  guest: number,
  options: PublishOptions | undefined,
): Promise<PublishedPort> {
  checkPort('box.publish', guest)
  const published = publishedPort(await settled(native.publish({ guest, ...publishOptions(options) })))
  const { host, bind } = published
  warnOfWildcard(bind, `port ${guest} of box ${native.id} is published on every address of this machine, port ${host}`)
  return published
}

/** Warns of ports of a new box that other machines will reach once it runs. */
export function warnOfWildcards(id: string, ports: readonly PortInput[]): void {
  for (const { guest, host, bind } of ports) {
    const where = host === 0 ? 'a free port' : `port ${host}`
    warnOfWildcard(bind, `port ${guest} of box ${id} is to be published on every address of this machine, ${where}`)
  }
}

/** Withdraws the publications of a port. */
export async function unpublish(
  native: NativeBox,
  guest: number,
  options: UnpublishOptions | undefined,
): Promise<PublishedPort[]> {
  checkPort('box.unpublish', guest)
  return (await settled(native.unpublish(guest, unpublishProtocol(options)))).map(publishedPort)
}

/** The published ports, the oldest first. */
export async function ports(native: NativeBox): Promise<PublishedPort[]> {
  return (await settled(native.ports())).map(publishedPort)
}

/** Waits until something in the box listens on a port. */
export async function waitForPort(
  native: NativeBox,
  port: number,
  options: WaitForPortOptions | undefined,
): Promise<void> {
  checkPort('box.waitForPort', port)
  const { timeoutMs, signal } = waitForPortOptions(options)
  await cancellable('box.waitForPort', signal, () => native.waitForPort(port, timeoutMs))
}

function publishedPort({ guest, host, protocol, bind }: NativePort): PublishedPort {
  return { guest, host, protocol, bind }
}

/** Other machines reach a box that listens on every address, which is seldom meant. */
function warnOfWildcard(bind: string, what: string): void {
  if (!/^(0\.0\.0\.0|[0:]*)$/.test(bind)) return
  process.emitWarning(what, {
    type: 'BoxliteWarning',
    code: 'BOXLITE_WILDCARD',
    detail: "Other machines can reach it. `bind: '127.0.0.1'` is for this machine alone.",
  })
}
