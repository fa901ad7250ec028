// Makes the internet of the tests: two network namespaces joined by a cable. One is the world, with the servers of world.mjs at addresses that
// look public, and with traps at those that no box may reach. The other one is a host that sees nothing else. Namespaces have no names
// and no files: they end with their processes. Needs root. Called by internet.ts, and by the tests on libkrun, which run without vitest.
import { execFileSync, fork, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** What has an address in the world. */
export const WORLD = /** @type {const} */ ({
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
})

/** An HTTP proxy at port 3128, and a web server that only it knows the address of. */
export const PROXY = {
  address: '198.51.100.80',
  credentials: 'user:p@ss',
  known: /** @type {Record<string, string>} */ ({ 'hidden.example': WORLD.other }),
}

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

/** How unshare(1) gives a program namespaces of networks and mounts of its own. */
export const UNSHARE = ['--net', '--mount', '--propagation', 'private']

/**
 * @typedef {object} Namespaces
 * @property {World} world
 * @property {string} authority a PEM file with the authority that has signed the certificates of the web servers
 * @property {string} resolvConf the file that the host has as /etc/resolv.conf
 * @property {string[]} through a command that executes another one on the host
 * @property {string[]} among a command that executes another one in the world
 * @property {(command: string, ...args: string[]) => string} onHost runs a command on the host and returns its output
 * @property {(...args: string[]) => string} inWorld runs a command in the world and returns its output
 * @property {() => Promise<void>} end
 */

/**
 * Makes both, with files in `folder`. The host is a process of its own, or `hostPid`, one that has namespaces of networks and mounts of its
 * own already.
 * @param {string} folder @param {{ ipv6: boolean, hostPid?: number }} options whether the host has an IPv6 route
 * @returns {Promise<Namespaces>}
 */
export async function makeNamespaces(folder, { ipv6, hostPid: given }) {
  if (process.getuid?.() !== 0) throw new Error('tests of networks make namespaces, for which they must run as root')
  const tls = certificates(folder)
  const resolvConf = join(folder, 'resolv.conf')
  writeFileSync(resolvConf, `search corp.example\nnameserver ${WORLD.resolver}\n`)
  // The host ends when its standard input does, thus also with this process.
  const host =
    given === undefined ? spawn('unshare', [...UNSHARE, 'cat'], { stdio: ['pipe', 'ignore', 'inherit'] }) : undefined
  if (host) await once(host, 'spawn')
  const hostPid = given ?? Number(host?.pid)
  const world = await World.start()
  const into = (/** @type {number} */ pid) => ['nsenter', `--net=/proc/${pid}/ns/net`]
  const through = [...into(hostPid), `--mount=/proc/${hostPid}/ns/mnt`]
  /** @param {string[]} way @param {string[]} args */
  const run = ([program = '', ...prefix], args) =>
    execFileSync(program, [...prefix, ...args], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] })
  const among = into(world.pid)
  const inWorld = (/** @type {string[]} */ ...args) => run(among, args)
  const onHost = (/** @type {string} */ command, /** @type {string[]} */ ...args) => run(through, [command, ...args])
  if (host) await unshared(hostPid)

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
    if (host && host.exitCode === null && host.signalCode === null) {
      const ended = once(host, 'exit')
      host.stdin.end()
      await ended
    }
  }
  return { world, authority: tls.authority, resolvConf, through, among, onHost, inWorld, end }
}

/**
 * Adds the routes of the host, and its IPv6 address, which are lost with the link.
 * @param {Namespaces['onHost']} onHost @param {boolean} ipv6
 */
export function addRoutes(onHost, ipv6) {
  onHost('ip', 'route', 'replace', 'default', 'via', WORLD.router)
  if (!ipv6) return
  onHost('ip', 'address', 'replace', '2001:db8:1::2/64', 'dev', 'eth0', 'nodad')
  onHost('ip', '-6', 'route', 'replace', 'default', 'via', '2001:db8:1::1')
}

/** Waits until `pid` has namespaces of its own: unshare(1) has been started, but may not have come so far. @param {number} pid */
async function unshared(pid) {
  const read = (/** @type {number | string} */ pid) =>
    execFileSync('readlink', [`/proc/${pid}/ns/net`], { encoding: 'utf8' })
  const own = read('self')
  for (let tries = 0; read(pid) === own; tries++) {
    if (tries === 100) throw new Error(`unshare --net has made no namespace in 5 s (process ${pid})`)
    await new Promise(resolve => setTimeout(resolve, 50))
  }
  execFileSync('nsenter', [`--mount=/proc/${pid}/ns/mnt`, 'true'])
}

/** The process of world.mjs. */
class World {
  /** @type {import('node:child_process').ChildProcess} */
  #process
  #count = 0

  /** @param {import('node:child_process').ChildProcess} process */
  constructor(process) {
    this.#process = process
  }

  static async start() {
    const program = fileURLToPath(new URL('world.mjs', import.meta.url))
    const child = fork(program, [], { execPath: 'unshare', execArgv: ['--net', process.execPath] })
    const world = new World(child)
    await world.#answer(0)
    return world
  }

  get pid() {
    return Number(this.#process.pid)
  }

  /** Has one of the calls of world.mjs done. @param {string} call @param {unknown} [argument] @returns {Promise<unknown>} */
  call(call, argument) {
    const id = ++this.#count
    this.#process.send({ id, call, argument })
    return this.#answer(id)
  }

  async end() {
    if (this.#process.exitCode !== null) return
    const ended = once(this.#process, 'exit')
    this.#process.disconnect()
    await ended
  }

  /** @param {number} id @returns {Promise<unknown>} */
  #answer(id) {
    return new Promise((resolve, reject) => {
      const exited = () => reject(new Error('the world ended before it answered'))
      const answered = (/** @type {{ id: number, result?: unknown, error?: string }} */ message) => {
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

/** Makes an authority and a certificate of the web servers, which is good for two days. @param {string} folder */
function certificates(folder) {
  const path = (/** @type {string} */ name) => join(folder, name)
  mkdirSync(folder, { recursive: true })
  const openssl = (/** @type {string[]} */ ...args) => execFileSync('openssl', args, { cwd: folder, stdio: 'pipe' })
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
