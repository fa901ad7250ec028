// What a box may reach, which of its ports are published, and its secrets. Part of the options of `runtime.create`, checked here for
// `box.ts` beside and for `network.ts`; the runtime knows the grammar of rules and the bounds of lists.
import { isIP } from 'node:net'
import { resolve } from 'node:path'
import type { BoxInput, NetworkInput, NetworkUpdateInput, PortInput, SecretInput } from '../binding.js'
import {
  arrayOf,
  boolean,
  type Check,
  checkArgument,
  checkOptions,
  integer,
  matching,
  object,
  oneOf,
  type Shape,
  text,
} from '../check.js'
import { snakeCase } from '../names.js'

/**
 * What a box may reach: `TARGET[:PORT[-PORT]][/PROTOCOL]`. The target is a name, `*.name` for every name below it, an address, a network,
 * or a group: `public` (the internet), `private` (private, shared and link-local addresses), `host` (this machine) and `metadata` (the
 * metadata services of clouds). For example `'api.example.com:443'`, `'*.example.com'`, `'10.0.0.0/8:5432/tcp'`, `'host:8080'`.
 */
export type NetworkRule = string

/** What the name server of a box knows, and whom it asks. */
export interface DnsOptions {
  /** The addresses of the servers to ask, at most 16. Default: those of this machine, as they are at each query. */
  servers?: readonly string[]
  /** The search domains, at most 6. Default: those of this machine. */
  search?: readonly string[]
  /** Names with fixed addresses, at most 1000. Default: none. */
  hosts?: Record<string, string>
}

/** Most bytes per second, 8192 or more; what is over it waits. */
export interface BandwidthOptions {
  /** From the box. Default: no bound. */
  up?: number
  /** To the box. Default: no bound. */
  down?: number
}

/** How a box is connected. */
export interface NetworkOptions {
  /**
   * What the box may reach, at most 1000 rules; everything else is refused. A rule by name holds for addresses that the box has looked up,
   * and on TLS and HTTP only where the connection itself names that host. Default: `['public']`.
   */
  allow?: readonly NetworkRule[]
  /**
   * What the box may not reach, at most 1000 rules. The first rule that matches decides: those of `deny` in their order, then those of
   * `allow`. So a rule of `allow` makes no exception from one of `deny`. Default: none.
   */
  deny?: readonly NetworkRule[]
  /** The largest IP packet in bytes, 1280 to 65 535. Default: 1500. */
  mtu?: number
  /** What its name server knows, and whom it asks. */
  dns?: DnsOptions
  /**
   * What serves the network: boxlite's own gateway, the program gvproxy (found in `PATH`, or named by `BOXLITE_GVPROXY`), or the
   * system's libslirp. Only the gateway has rules by name, secrets, `dns`, `proxy`, `connections`, `newConnectionsPerSecond`, `bandwidth` and
   * IPv6, and gvproxy has no `subnet`. Default: `'gateway'`.
   */
  backend?: 'gateway' | 'gvproxy' | 'libslirp'
  /**
   * Authorities that the box trusts beside those of its image: `'host'` for all of this machine's, or a PEM file. They are in the box's
   * store, and `SSL_CERT_FILE`, `NODE_EXTRA_CA_CERTS`, `REQUESTS_CA_BUNDLE`, `PIP_CERT` and `GIT_SSL_CAINFO` name them. Default: none.
   */
  ca?: 'host' | (string & {})
  /**
   * The HTTP proxy through which TCP connections leave, and nothing goes around: `'host'` for the one that `HTTPS_PROXY`, `HTTP_PROXY` or
   * `ALL_PROXY` name when the box starts, except for what `NO_PROXY` names; `'http://HOST:PORT'`, or `'none'`. In the box, `HTTPS_PROXY` and
   * `HTTP_PROXY` name a proxy of the gateway that leads there, and know no password. Default: `'none'`.
   */
  proxy?: 'host' | 'none' | (string & {})
  /** Most connections at one time, 1 to 65 536. Default: 8192. */
  connections?: number
  /** Most new connections per second. Default: 2000. */
  newConnectionsPerSecond?: number
  /** Most bytes per second. Default: no bound. */
  bandwidth?: BandwidthOptions
  /** Whether the box has IPv6. Default: whether this machine has a default route for it. */
  ipv6?: boolean
  /** The network of the box's own address, such as `'10.88.77.0/24'`. Default: one that no route of this machine has. */
  subnet?: string
}

/** A port of a box that is published on this machine. */
export interface PortOptions {
  /** The port in the box, 1 to 65 535. A service that listens on the box's own 127.0.0.1 is reached, too. */
  guest: number
  /** The port on this machine; 0 is a free one, which `box.ports()` tells. Default: 0. */
  host?: number
  /** Default: `'tcp'`. */
  protocol?: 'tcp' | 'udp'
  /**
   * The address of this machine that is listened on. `'0.0.0.0'` and `'::'` are all of them: other machines then reach the box, and a
   * warning of the process says so. Default: `'127.0.0.1'`.
   */
  bind?: string
}

/** A secret that a box uses without having it. */
export interface SecretOptions {
  /** The variable that holds a placeholder in the box: letters, digits and `_`, the first no digit. */
  env: string
  /** The value, 1 to 8192 bytes without control characters. It never gets into the box, a log, an event or an error. */
  value: string
  /** Names of the hosts that get it, such as `'api.example.com'` or `'*.example.com'`: 1 to 64. */
  hosts: readonly string[]
}

/** The network of a box, its published ports and its secrets. */
export interface BoxNetworkOptions {
  /**
   * `'default'`, which reaches the internet and nothing of this machine and its networks; an object, which says what; or `'none'`, with
   * which it has no network device at all. Default: `'default'`.
   */
  network?: 'default' | 'none' | NetworkOptions
  /**
   * Ports of the box that are published on this machine from its start on, at most 64: `8080` at a free port of 127.0.0.1,
   * `'[BIND:]HOST:GUEST[/PROTOCOL]'` as in docker, or an object. They need no `network`. Default: none.
   */
  ports?: readonly (number | string | PortOptions)[]
  /**
   * At most 32. Inside, each variable holds a placeholder; the gateway puts the value in its place, in headers of TLS requests to the
   * secret's hosts alone. Default: none.
   */
  secrets?: readonly SecretOptions[]
}

/** What to change of a box's network while it runs; what is left out stays. */
export interface NetworkUpdateOptions {
  /** All rules that allow, instead of those that it has; `null` is `['public']`. Connections that are refused now are closed. */
  allow?: readonly NetworkRule[] | null
  /** All rules that refuse, instead of those that it has. */
  deny?: readonly NetworkRule[]
  /**
   * All secrets, instead of those that it has. Variables of new ones are in executions that begin after it, and connections that are
   * open stay as they are.
   */
  secrets?: readonly SecretOptions[]
}

const PORT = integer(1, 65_535)
const HOST_PORT = integer(0, 65_535)

const rules = arrayOf(text, 'rules such as `api.example.com:443`, `*.example.com`, `10.0.0.0/8` or `public`')
const names = arrayOf(text, 'names')

/** An address that other languages read, too: without a zone after `%`. */
const address: Check = {
  expected: "an IP address, such as '127.0.0.1'",
  holds: value => typeof value === 'string' && isIP(value) !== 0 && !value.includes('%'),
}

const network: Check = {
  expected: "'default', 'none' or an object",
  holds: value => value === 'none' || value === 'default' || object.holds(value),
}

const ports: Check = {
  expected: "an array of ports: 8080, '8080:80' or { guest, host, protocol, bind }",
  holds: value =>
    Array.isArray(value) && Array.from(value).every(port => portText(port) !== null || object.holds(port)),
}

/** Whatever is wrong: what is given may hold a value that nobody should see. */
const secrets: Check = { ...arrayOf(object, 'objects'), expected: 'an array of { env, value, hosts }', secret: true }

/** Part of the shape of `runtime.create`'s options. */
export const NETWORK: Shape<BoxNetworkOptions> = { network, ports, secrets }

const OPTIONS: Shape<NetworkOptions> = {
  allow: rules,
  deny: rules,
  mtu: integer(1280, 65_535, 'bytes'),
  dns: object,
  backend: oneOf('gateway', 'gvproxy', 'libslirp'),
  ca: text,
  proxy: { ...text, expected: "'host', 'none' or 'http://HOST:PORT'", secret: true },
  connections: integer(1, 65_536),
  newConnectionsPerSecond: integer(1, 2 ** 32 - 1),
  bandwidth: object,
  ipv6: boolean,
  subnet: text,
}

const DNS: Shape<DnsOptions> = {
  servers: arrayOf(address, 'IP addresses'),
  search: names,
  hosts: {
    expected: "an object of IP addresses by name, such as { 'db.internal': '10.0.0.5' }",
    holds: value => object.holds(value) && Object.values(value as object).every(address.holds),
  },
}

const bytesPerSecond = integer(8192, Number.MAX_SAFE_INTEGER, 'bytes per second')
const BANDWIDTH: Shape<BandwidthOptions> = { up: bytesPerSecond, down: bytesPerSecond }

const PORT_OPTIONS: Shape<PortOptions> = {
  guest: PORT,
  host: HOST_PORT,
  protocol: oneOf('tcp', 'udp'),
  bind: address,
}

const SECRET: Shape<SecretOptions> = {
  env: matching(/^[A-Za-z_][A-Za-z0-9_]{0,127}$/, 'a name of letters, digits and `_`, the first no digit'),
  value: {
    expected: 'a string of 1 to 8192 bytes without control characters',
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is refused
    holds: value => text.holds(value) && !/[\u0000-\u001f\u007f]/.test(value as string),
    secret: true,
  },
  hosts: { ...names, expected: 'an array of names, such as `api.example.com` or `*.example.com`' },
}

const UPDATE: Shape<NetworkUpdateOptions> = {
  allow: { expected: `${rules.expected}, or null`, holds: value => value === null || rules.holds(value) },
  deny: rules,
  secrets,
}

/** Options whose outer shape was checked, as the addon takes them. */
export function networkParts(
  operation: string,
  options: BoxNetworkOptions,
): Pick<BoxInput, 'network' | 'ports' | 'secrets'> {
  return {
    network: networkInput(operation, options.network ?? 'default'),
    ports: options.ports?.map((port, at) => portInput(`${operation}: ports[${at}]`, port)) ?? [],
    secrets: secretInputs(operation, options.secrets) ?? [],
  }
}

function networkInput(operation: string, given: 'none' | 'default' | NetworkOptions): NetworkInput | undefined {
  if (given === 'none') return undefined
  if (given === 'default') return {}
  const { dns, bandwidth, ca, proxy, ...rest } = checkOptions(`${operation}: network`, given, OPTIONS)
  const named = dns && checkOptions(`${operation}: network.dns`, dns, DNS)
  return {
    ...snakeCase(rest),
    dns: named && { ...named, hosts: named.hosts && Object.entries(named.hosts) },
    bandwidth: bandwidth && checkOptions(`${operation}: network.bandwidth`, bandwidth, BANDWIDTH),
    // Another process, which works elsewhere, may start the box.
    ca: ca === 'host' ? 'host' : ca && { file: resolve(ca) },
    proxy: proxy === 'host' ? 'host' : proxy && proxy !== 'none' ? { url: proxy } : undefined,
  }
}

/** A port in any of its forms, as the addon takes it. */
function portInput(operation: string, given: number | string | PortOptions): PortInput {
  const written = portText(given)
  const {
    guest,
    host = 0,
    protocol = 'tcp',
    bind = '127.0.0.1',
  } = checkOptions<PortOptions>(operation, written ?? given, PORT_OPTIONS, 'guest')
  return { guest, host, protocol, bind }
}

/** What a number or a text says of a port; `null` if it is none. */
function portText(given: unknown): PortOptions | null {
  if (PORT.holds(given)) return { guest: given as number }
  if (typeof given !== 'string') return null
  const parts =
    /^(?:(?:(?<bind>[\d.]+|\[[\da-f:.]+\]):)?(?<host>\d{1,5}):)?(?<guest>\d{1,5})(?:\/(?<protocol>tcp|udp))?$/i.exec(
      given,
    )
  const { bind, host, guest, protocol } = parts?.groups ?? {}
  const port: Record<string, unknown> = { guest: Number(guest) }
  if (host !== undefined) port.host = Number(host)
  if (bind !== undefined) port.bind = bind.replace(/^\[|\]$/g, '')
  if (protocol !== undefined) port.protocol = protocol.toLowerCase()
  const checks = PORT_OPTIONS as Record<string, Check>
  return Object.entries(port).every(([name, value]) => checks[name]?.holds(value))
    ? (port as unknown as PortOptions)
    : null
}

function secretInputs(operation: string, given: readonly SecretOptions[] | undefined): SecretInput[] | undefined {
  return given?.map((secret, at) => {
    const checked = checkOptions<SecretOptions>(`${operation}: secrets[${at}]`, secret, SECRET, 'env', 'value', 'hosts')
    return { env: checked.env, value: checked.value, hosts: checked.hosts }
  })
}

/** Checked options of `box.network.update`, as the addon takes them. */
export function networkUpdateInput(given: NetworkUpdateOptions): NetworkUpdateInput {
  const operation = 'box.network.update'
  checkArgument(operation, 'options', given, object)
  const { secrets, ...rest } = checkOptions<NetworkUpdateOptions>(operation, given, UPDATE)
  return { ...rest, secrets: secretInputs(operation, secrets) }
}
