// How to open a runtime, and what is special about registries. Checked here for `runtime.ts` and `doctor.ts`.
import { resolve } from 'node:path'
import type { RegistryInput, RuntimeInput } from '../binding.js'
import {
  arrayOf,
  boolean,
  type Check,
  checkOptions,
  integer,
  matching,
  object,
  oneOf,
  type Shape,
  text,
} from '../check.js'
import { milliseconds, startTimeout } from './values.js'

/** What proves to a registry who you are: a password or access token, an OAuth2 refresh token, or a ready bearer token. */
export type RegistryCredentials = { username: string; password: string } | { identityToken: string } | { token: string }

/** What is special about one registry. */
export interface RegistryOptions {
  /** Its host as references have it, with the port if it has one: `ghcr.io`, `127.0.0.1:5000`. */
  host: string
  /** Speak plain HTTP instead of HTTPS. Default: `false`. */
  http?: boolean
  /** A PEM file of certificate authorities to trust besides the system's. Default: none. */
  caFile?: string
  /** Accept any certificate. For tests only. Default: `false`. */
  skipVerify?: boolean
  /** Default: what `docker login` or `podman login` stored, credential helpers included, else none. */
  credentials?: RegistryCredentials
  /**
   * Mirrors to try first, each `HOST[:PORT][/PATH]`; a path is put before the image's own name. A mirror that fails is left
   * for the next one, and the registry itself comes last. What is special about a mirror's host is in options of its own.
   * Default: none.
   */
  mirrors?: string[]
}

/** How to open a runtime. */
export interface RuntimeOptions {
  /** The folder where boxes and images live. Default: `$BOXLITE_HOME`, else `~/.boxlite`. */
  home?: string
  /**
   * Which engine runs boxes. `'auto'` takes libkrun where hardware virtualisation can really be used and QEMU elsewhere.
   * Default: `$BOXLITE_ENGINE`, else `'auto'`.
   */
  engine?: 'auto' | 'krun' | 'qemu'
  /** What is special about some registries. Default: none, and all speak HTTPS. */
  registries?: RegistryOptions[]
  /** The registries in which a name without one, such as `alpine`, is searched for, in this order. Default: `['docker.io']`. */
  searchRegistries?: string[]
  /**
   * Bytes that the image cache may take. The least recently used goes first; an image is safe while a box was made
   * of it and for ten minutes after its last use. Default: half of what it takes and what is free, together.
   */
  imageQuotaBytes?: number
  /**
   * Milliseconds that the guest of a box may take from its power-on until it takes commands, at least 1; pulling its image does
   * not count. Then the start rejects with `GUEST_TIMEOUT`. Default: 15 000 under hardware virtualisation, 60 000 under emulation.
   */
  startTimeoutMs?: number
  /**
   * Close the runtime when this process gets SIGINT, SIGTERM or SIGHUP, and let the signal do its work then; a second one
   * does it at once. Main thread only. Default: `false`, signals are yours, and attached boxes end with the process.
   */
  handleSignals?: boolean
}

/** How to close a runtime. */
export interface CloseOptions {
  /**
   * Milliseconds after which boxes that have not ended are killed. The last part of them is for their file systems, what
   * comes before for their processes. Default: 10 000.
   */
  timeoutMs?: number
}

const credentials: Check = {
  secret: true,
  expected: '{ username, password }, { identityToken } or { token }',
  holds: value => {
    const given = Object.entries(value ?? {})
    const names = given.map(([name]) => name).sort()
    const known = [['password', 'username'], ['identityToken'], ['token']]
    return known.some(form => form.join() === names.join()) && given.every(([, item]) => text.holds(item))
  },
}

const place = matching(/^[^\s/]+(\/[^\s]*)?$/, 'HOST[:PORT][/PATH]')

const REGISTRY: Shape<RegistryOptions> = {
  host: text,
  http: boolean,
  caFile: text,
  skipVerify: boolean,
  credentials,
  mirrors: arrayOf(place, 'HOST[:PORT][/PATH]'),
}

const RUNTIME: Shape<RuntimeOptions> = {
  home: text,
  engine: oneOf('auto', 'krun', 'qemu'),
  registries: arrayOf(object, 'objects'),
  searchRegistries: arrayOf(place, 'HOST[:PORT][/PATH]'),
  imageQuotaBytes: integer(0, Number.MAX_SAFE_INTEGER, 'bytes'),
  startTimeoutMs: startTimeout,
  handleSignals: boolean,
}

/** Checked options of `Runtime.open` and `Runtime.doctor`. */
export function checkRuntime(operation: string, given: RuntimeOptions | undefined): RuntimeOptions {
  const options = checkOptions(operation, given, RUNTIME)
  const registries = options.registries?.map((registry, i) =>
    checkOptions(`${operation}: registries[${i}]`, registry, REGISTRY, 'host'),
  )
  return { ...options, ...(registries && { registries }) }
}

/** Options already checked, as the addon takes them. */
export function runtimeInput(options: RuntimeOptions): RuntimeInput {
  const ms = options.startTimeoutMs
  return {
    home: options.home,
    engine: options.engine,
    registries: options.registries?.map(registryInput),
    search_registries: options.searchRegistries,
    image_quota: options.imageQuotaBytes,
    start_timeout: ms === undefined ? undefined : { secs: Math.floor(ms / 1000), nanos: (ms % 1000) * 1e6 },
  }
}

/** Checked options of `runtime.close`. */
export function closeTimeout(options: CloseOptions | undefined): number | undefined {
  return checkOptions<CloseOptions>('runtime.close', options, { timeoutMs: milliseconds }).timeoutMs
}

function registryInput(options: RegistryOptions): RegistryInput {
  const { host, http, skipVerify, mirrors, caFile, credentials } = options
  const ca_file = caFile && resolve(caFile)
  return { host, http, skip_verify: skipVerify, mirrors, ca_file, credentials: credentials && proof(credentials) }
}

function proof(credentials: RegistryCredentials): RegistryInput['credentials'] {
  if ('identityToken' in credentials) return { identity_token: credentials.identityToken }
  return 'token' in credentials ? { bearer: credentials.token } : { basic: credentials }
}
