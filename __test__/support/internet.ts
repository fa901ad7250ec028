// "The internet" for tests: two network namespaces joined by a cable. One is the world, with the servers of world.mjs at addresses that look
// public, and with traps at those that no box may reach. The other one is a host of its own, in which programs run that have nothing
// else: a runtime there (`peer.ts`), its shim and its box see only this world. Namespaces have no names and no files: they
// end with their processes. Needs root.
import { type ChildProcess, execFileSync, fork, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, beforeEach } from 'vitest'
import type { BoxOptions, ExecResult, NetworkUpdateOptions, RuntimeOptions } from '../../index.mjs'
import type { Homes } from './homes.js'
import { Peer } from './peer.js'

/** What has an address in the world. */
export const WORLD = {
  /** Two web servers, of which the second shares its address with no other name. */
  web: '203.0.113.10',
  other: '203.0.113.11',
  web6: '2001:db8:2::10',
  resolver: '198.51.100.53',
  second: '198.51.100.54',
  /** Swallows what is sent to it. */
  blackHole: '203.0.113.66',
  /** Its router answers that it can't be reached. */
  unreachable: '203.0.113.67',
  metadata: '169.254.169.254',
  private: '10.9.8.7',
  shared: '100.64.9.9',
  uniqueLocal: 'fd12:3456::7',
  /** What a translator (NAT64) on the way would send on to `private` and `metadata`. */
  translated: '64:ff9b::a09:807',
  translatedMetadata: '64:ff9b::a9fe:a9fe',
  /** The addresses of the host itself and of its router. */
  host: '198.51.100.2',
  router: '198.51.100.1',
} as const

/** An HTTP proxy at port 3128, and a web server that only it knows the address of. */
export const PROXY = { address: '198.51.100.80', credentials: 'user:p@ss', known: { 'hidden.example': WORLD.other } }

const TRAPS = [WORLD.metadata, WORLD.private, WORLD.shared]
const TRAPS6 = [WORLD.uniqueLocal, WORLD.translated, WORLD.translatedMetadata]

/** What the resolvers know. */
const ZONE = {
  'web.example': { A: [WORLD.web] },
  'api.web.example': { A: [WORLD.web] },
  'other.example': { A: [WORLD.other] },
  'six.example': { AAAA: [WORLD.web6] },
  'both.example': { A: [WORLD.web], AAAA: [WORLD.web6] },
  'alias.example': { CNAME: 'web.example' },
  'long.example': { TXT: [`${'x'.repeat(2000)}end`] },
  'db.corp.example': { A: [WORLD.web] },
  'rebound.example': { A: [WORLD.private] },
  'metadata.example': { A: [WORLD.metadata] },
  'loopback.example': { A: ['127.0.0.1'] },
}

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
  let made: Made | undefined
  const it = () => {
    if (!made) throw new Error('the internet is made before the first test, and not earlier')
    return made
  }
  beforeAll(async () => {
    made = await make(homes.folder(), ipv6)
  })
  beforeEach(() => it().world.call('takeSeen'))
  afterAll(async () => {
    for (const peer of made?.peers ?? []) await peer.end(() => peer.process.disconnect())
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
      it().peers.push(peer)
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

interface Made {
  world: World
  authority: string
  resolvConf: string
  through: string[]
  among: string[]
  peers: Peer[]
  onHost: Internet['onHost']
  inWorld(...args: string[]): string
  end(): Promise<void>
}

async function make(folder: string, ipv6: boolean): Promise<Made> {
  if (process.getuid?.() !== 0) throw new Error('tests of networks make namespaces, for which they must run as root')
  const tls = certificates(folder)
  const resolvConf = join(folder, 'resolv.conf')
  writeFileSync(resolvConf, `search corp.example\nnameserver ${WORLD.resolver}\n`)
  // The host ends when its standard input does, thus also with this process.
  const host = spawn('unshare', ['--net', '--mount', '--propagation', 'private', 'cat'], {
    stdio: ['pipe', 'ignore', 'inherit'],
  })
  await once(host, 'spawn')
  const world = await World.start()
  const into = (pid: number) => ['nsenter', `--net=/proc/${pid}/ns/net`]
  const hostPid = host.pid as number
  const through = [...into(hostPid), `--mount=/proc/${hostPid}/ns/mnt`]
  const run = ([program = '', ...prefix]: string[], args: string[]) =>
    execFileSync(program, [...prefix, ...args], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] })
  const among = into(world.pid)
  const inWorld = (...args: string[]) => run(among, args)
  const onHost = (command: string, ...args: string[]) => run(through, [command, ...args])
  await unshared(hostPid)

  inWorld('ip', 'link', 'set', 'lo', 'up')
  inWorld('ip', 'link', 'add', 'cable', 'type', 'veth', 'peer', 'name', 'eth0', 'netns', String(hostPid))
  inWorld('sh', '-c', 'echo 1 > /proc/sys/net/ipv4/ip_forward; echo 4096 > /proc/sys/net/core/somaxconn')
  for (const address of [`${WORLD.router}/24`, `${WORLD.resolver}/32`, `${WORLD.second}/32`, `${PROXY.address}/32`]) {
    inWorld('ip', 'address', 'add', address, 'dev', 'cable')
  }
  for (const address of [WORLD.web, WORLD.other, ...TRAPS]) {
    inWorld('ip', 'address', 'add', `${address}/32`, 'dev', 'lo')
  }
  inWorld('ip', 'link', 'set', 'cable', 'up')
  inWorld('ip', 'route', 'add', 'blackhole', WORLD.blackHole)
  inWorld('ip', 'route', 'add', 'unreachable', WORLD.unreachable)
  if (ipv6) {
    inWorld('ip', 'address', 'add', '2001:db8:1::1/64', 'dev', 'cable', 'nodad')
    for (const address of [WORLD.web6, ...TRAPS6]) {
      inWorld('ip', 'address', 'add', `${address}/128`, 'dev', 'lo', 'nodad')
    }
  }
  onHost('mount', '--bind', resolvConf, '/etc/resolv.conf')
  onHost('ip', 'link', 'set', 'lo', 'up')
  // As distributions with systemd set it, so that programs may ping without privileges (icmp(7)).
  onHost('sh', '-c', 'echo 0 2147483647 > /proc/sys/net/ipv4/ping_group_range')
  onHost('ip', 'address', 'add', `${WORLD.host}/24`, 'dev', 'eth0')
  onHost('ip', 'link', 'set', 'eth0', 'up')
  addRoutes(onHost, ipv6)
  await world.call('serve', {
    web: [WORLD.web, WORLD.other, ...(ipv6 ? [WORLD.web6] : [])],
    traps: [...TRAPS, ...(ipv6 ? TRAPS6 : [])],
    resolvers: [WORLD.resolver, WORLD.second],
    proxy: PROXY,
    zone: ZONE,
    tls,
  })
  const end = async () => {
    await world.end()
    if (host.exitCode === null && host.signalCode === null) {
      const ended = once(host, 'exit')
      host.stdin?.end()
      await ended
    }
  }
  return { world, authority: tls.authority, resolvConf, through, among, peers: [], onHost, inWorld, end }
}

/** The routes of the host, and its IPv6 address, which are lost with the link. */
function addRoutes(onHost: Internet['onHost'], ipv6: boolean): void {
  onHost('ip', 'route', 'replace', 'default', 'via', WORLD.router)
  if (!ipv6) return
  onHost('ip', 'address', 'replace', '2001:db8:1::2/64', 'dev', 'eth0', 'nodad')
  onHost('ip', '-6', 'route', 'replace', 'default', 'via', '2001:db8:1::1')
}

/** Waits until `pid` has namespaces of its own: unshare(1) has been started, but may not have come so far. */
async function unshared(pid: number): Promise<void> {
  const read = (pid: number | string) => execFileSync('readlink', [`/proc/${pid}/ns/net`], { encoding: 'utf8' })
  const own = read('self')
  for (let tries = 0; read(pid) === own; tries++) {
    if (tries === 100) throw new Error(`unshare --net has made no namespace in 5 s (process ${pid})`)
    await new Promise(resolve => setTimeout(resolve, 50))
  }
  execFileSync('nsenter', [`--mount=/proc/${pid}/ns/mnt`, 'true'])
}

/** The process of world.mjs. */
class World {
  readonly #process: ChildProcess
  #count = 0

  private constructor(process: ChildProcess) {
    this.#process = process
  }

  static async start(): Promise<World> {
    const program = fileURLToPath(new URL('world.mjs', import.meta.url))
    const child = fork(program, [], { execPath: 'unshare', execArgv: ['--net', process.execPath] })
    const world = new World(child)
    await world.#answer(0)
    return world
  }

  get pid(): number {
    return this.#process.pid as number
  }

  call(call: string, argument?: unknown): Promise<unknown> {
    const id = ++this.#count
    this.#process.send({ id, call, argument })
    return this.#answer(id)
  }

  async end(): Promise<void> {
    if (this.#process.exitCode !== null) return
    const ended = once(this.#process, 'exit')
    this.#process.disconnect()
    await ended
  }

  #answer(id: number): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const exited = () => reject(new Error('the world ended before it answered'))
      const answered = (message: { id: number; result?: unknown; error?: string }) => {
        if (message.id !== id) return
        this.#process.off('message', answered)
        this.#process.off('exit', exited)
        if (message.error === undefined) resolve(message.result)
        else reject(new Error(`the world: ${message.error}`))
      }
      this.#process.on('message', answered)
      this.#process.once('exit', exited)
    })
  }
}

/** Makes an authority and a certificate of the web servers, which is good for two days. */
function certificates(folder: string): { authority: string; key: string; cert: string } {
  const path = (name: string) => join(folder, name)
  mkdirSync(folder, { recursive: true })
  const openssl = (...args: string[]) => execFileSync('openssl', args, { cwd: folder, stdio: 'pipe' })
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes']
  const names = [...Object.keys(ZONE), ...Object.keys(PROXY.known)].map(name => `DNS:${name}`)
  openssl(
    'req',
    '-x509',
    ...key,
    '-days',
    '2',
    '-subj',
    '/CN=Authority of tests',
    '-keyout',
    'ca.key',
    '-out',
    'ca.pem',
  )
  openssl('req', ...key, '-subj', '/CN=web.example', '-keyout', 'web.key', '-out', 'web.csr')
  writeFileSync(path('web.ext'), `subjectAltName=${names.join(',')}\nextendedKeyUsage=serverAuth\n`)
  const signed = ['-CA', 'ca.pem', '-CAkey', 'ca.key', '-CAcreateserial', '-days', '2', '-extfile', 'web.ext']
  openssl('x509', '-req', '-in', 'web.csr', ...signed, '-out', 'web.pem')
  return { authority: path('ca.pem'), key: path('web.key'), cert: path('web.pem') }
}
