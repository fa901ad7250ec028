// "The internet" for tests: a world of servers, and a host beside it on which programs run that have nothing else: a runtime there
// (`peer.ts`), its shim and its box see only this world (`namespaces.mjs`). Needs root.
import { writeFileSync } from 'node:fs'
import { afterAll, beforeAll, beforeEach } from 'vitest'
import type { BoxOptions, ExecResult, NetworkUpdateOptions, RuntimeOptions } from '../../index.mjs'
import type { Homes } from './homes.js'
import { addRoutes, makeNamespaces, type Namespaces } from './namespaces.mjs'
import { Peer } from './peer.js'

export { PROXY, WORLD } from './namespaces.mjs'

export interface Seen {
  kind: 'dns' | 'http' | 'https' | 'headers' | 'proxy' | 'tls' | 'trap' | 'upgrade'
  to: string
  from?: string
  detail?: string
}

export interface Internet {
  /** A PEM file with the authority that has signed the certificates of the web servers. */
  readonly authority: string
  /** Whether the host has an IPv6 route; a test file chooses. */
  readonly ipv6: boolean
  /** A command that executes another one on the host. */
  readonly through: string[]
  /** A command that executes another one among the servers, with their addresses. */
  readonly among: string[]
  /** Starts a program with a runtime on the host. It is ended after the last test. */
  start(home: string, options?: RuntimeOptions): Promise<Host>
  /** Runs a command on the host and returns its output. */
  onHost(command: string, ...args: string[]): string
  /** Returns what has reached the servers since the last call, or since the test began. */
  seen(): Promise<Seen[]>
  /** Gets a URL from the world, and returns the length of the answer. */
  get(url: string): Promise<number>
  startResolver(address: string): Promise<void>
  stopResolver(address: string): Promise<void>
  setRecords(name: string, records: { A?: string[]; AAAA?: string[]; TXT?: string[]; CNAME?: string }): Promise<void>
  /** Writes `/etc/resolv.conf` of the host. */
  setResolvers(text: string): void
  /** Sets the largest packet that the host's cable carries. */
  setMtu(mtu: number): void
  /** Pulls the host's cable, or plugs it in again. */
  setCable(plugged: boolean): void
}

/** A program on the host with a runtime, and what most tests do with it. */
export class Host {
  readonly peer: Peer

  constructor(peer: Peer) {
    this.peer = peer
  }

  /** Makes a box, starts it and returns its id. */
  create(options: BoxOptions): Promise<string> {
    return this.peer.run(async (runtime, options) => {
      const box = await runtime.create(options)
      await box.start()
      return box.id
    }, options)
  }

  /** Runs a shell line in a box. */
  sh(id: string, line: string): Promise<Pick<ExecResult, 'exitCode' | 'stdout' | 'stderr'>> {
    return this.peer.run(
      async (runtime, { id, line }) => {
        const box = await runtime.get(id)
        const { exitCode, stdout, stderr } = await box.exec('sh', ['-c', line], { timeoutMs: 60_000 })
        return { exitCode, stdout, stderr }
      },
      { id, line },
    )
  }

  /** Runs a shell line in a box and returns what it writes, also as errors. */
  async output(id: string, line: string): Promise<string> {
    return (await this.sh(id, `{ ${line}; } 2>&1`)).stdout
  }

  /** Replaces rules or secrets of a box that runs. */
  update(id: string, options: NetworkUpdateOptions): Promise<void> {
    return this.peer.run(async (runtime, { id, options }) => (await runtime.get(id)).network.update(options), {
      id,
      options,
    })
  }
}

/** Makes the internet before the first test. `seen` begins anew with each test. */
export function useInternet(homes: Homes, { ipv6 = false } = {}): Internet {
  let made: Namespaces | undefined
  const peers: Peer[] = []
  const it = () => {
    if (!made) throw new Error('the internet is made before the first test, and not earlier')
    return made
  }
  beforeAll(async () => {
    made = await makeNamespaces(homes.folder(), { ipv6 })
  })
  beforeEach(() => it().world.call('takeSeen'))
  afterAll(async () => {
    for (const peer of peers) await peer.end(() => peer.process.disconnect())
    await made?.end()
  })
  return {
    ipv6,
    get authority() {
      return it().authority
    },
    get through() {
      return it().through
    },
    get among() {
      return it().among
    },
    async start(home, options = {}) {
      const peer = await Peer.start(home, options, it().through)
      peers.push(peer)
      return new Host(peer)
    },
    onHost: (command, ...args) => it().onHost(command, ...args),
    seen: () => it().world.call('takeSeen') as Promise<Seen[]>,
    get: url => it().world.call('get', url) as Promise<number>,
    startResolver: async address => void (await it().world.call('startResolver', address)),
    stopResolver: async address => void (await it().world.call('stopResolver', address)),
    setRecords: async (name, records) => void (await it().world.call('setRecords', { name, records })),
    // In place, since the file is mounted on /etc/resolv.conf.
    setResolvers: text => writeFileSync(it().resolvConf, text),
    setMtu: mtu => {
      it().inWorld('ip', 'link', 'set', 'cable', 'mtu', String(mtu))
      it().onHost('ip', 'link', 'set', 'eth0', 'mtu', String(mtu))
    },
    setCable: plugged => {
      it().onHost('ip', 'link', 'set', 'eth0', plugged ? 'up' : 'down')
      if (plugged) addRoutes(it().onHost, ipv6)
    },
  }
}
