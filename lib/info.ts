// `BoxInfo`: a snapshot of a box. Made from the addon's answer for `box.ts` and `runtime.ts`.
import type { NativeBoxInfo, NativeTimings } from './binding.js'
import type { Stage } from './errors.js'

/** The state of a box. */
export type BoxState = 'created' | 'starting' | 'running' | 'stopping' | 'stopped' | 'failed'

/** A box's health by its health check. */
export type Health = 'starting' | 'healthy' | 'unhealthy'

/** What runs a box: libkrun or QEMU. */
export type Engine = 'krun' | 'qemu'

/** What serves the network of a box; see {@link NetworkOptions.backend}. */
export type Backend = 'gateway' | 'gvproxy' | 'libslirp'

/** A snapshot of a box. */
export interface BoxInfo {
  /** The box's identity. */
  id: string
  /** The name that it was given, else `null`. */
  name: string | null
  /** Its labels, over those of its image, which are known from the first start on. */
  labels: Record<string, string>
  /** Its image, as it was given. */
  image: string
  /** The digest of the image's manifest; `null` until the box was started for the first time. */
  imageDigest: string | null
  /** Its state. */
  state: BoxState
  /** The engine that runs it, or ran it last; `null` until then. */
  engine: Engine | null
  /** Whether that engine uses hardware virtualisation; `null` until then. */
  accelerated: boolean | null
  /** The process that holds the micro-VM; `null` while it does not run. */
  pid: number | null
  /** Virtual CPUs that it has, or will have when it starts. */
  cpus: number
  /** Memory in MiB that it has, or will have when it starts. */
  memoryMib: number
  /** Changes by {@link Box.update} that apply from the next start on; `null` if there are none. */
  pending: { cpus?: number; memoryMib?: number } | null
  /** Processes and threads that may be in it at once. */
  pidsLimit: number
  /** Milliseconds after its start at which it stops; 0 is never. */
  maxLifetimeMs: number
  /** Milliseconds without use after which it stops; 0 is never. */
  idleTimeoutMs: number
  /** When it stops; `null` is never. */
  endsAt: Date | null
  /** Size of the disk in GiB; `null` until the first start unless an option set it. */
  diskSizeGb: number | null
  /** When it was made. */
  createdAt: Date
  /** Why it failed, in the state `failed`, else `null`. */
  failure: string | null
  /** Whether it outlives the process that started it. */
  detached: boolean
  /** Whether it is removed once its machine has ended. */
  autoRemove: boolean
  /** Its health by its health check; `null` without one and while it does not run. */
  health: Health | null
  /** What it may reach; `null` without a network. */
  network: {
    backend: Backend
    /** The rules that allow. */
    allow: string[]
    /** The rules that refuse, which are looked at first. */
    deny: string[]
    /** Its secrets, without their values. */
    secrets: { env: string; hosts: string[] }[]
  } | null
  /** Milliseconds that each stage of the last start took, in the order of the stages. */
  timings: Partial<Record<Stage, number>>
}

/** Milliseconds by stage. */
export function stageTimes(timings: NativeTimings): Partial<Record<Stage, number>> {
  return Object.fromEntries(timings.map(([stage, { secs, nanos }]) => [stage, secs * 1e3 + nanos / 1e6]))
}

/** The public form of the addon's answer. A list has many, so its fields are written out instead of renamed one by one. */
export function boxInfo({ next_cpus, next_memory_mib, timings, network, ...native }: NativeBoxInfo): BoxInfo {
  const pending = { ...(next_cpus && { cpus: next_cpus }), ...(next_memory_mib && { memoryMib: next_memory_mib }) }
  return {
    id: native.id,
    name: native.name,
    labels: native.labels,
    image: native.image,
    imageDigest: native.image_digest,
    state: native.state as BoxState,
    engine: native.engine as Engine | null,
    accelerated: native.accelerated,
    pid: native.pid,
    cpus: native.cpus,
    memoryMib: native.memory_mib,
    pending: next_cpus || next_memory_mib ? pending : null,
    pidsLimit: native.pids_limit,
    maxLifetimeMs: native.max_lifetime_ms,
    idleTimeoutMs: native.idle_timeout_ms,
    endsAt: native.ends_at_ms === 0 ? null : new Date(native.ends_at_ms),
    diskSizeGb: native.disk_size_mib === null ? null : native.disk_size_mib / 1024,
    createdAt: new Date(native.created_at_ms),
    failure: native.failure,
    detached: native.detached,
    autoRemove: native.auto_remove,
    health: native.health as Health | null,
    network: network && {
      backend: network.backend as Backend,
      allow: network.allow ?? ['public'],
      deny: network.deny,
      secrets: network.secrets.map(([env, hosts]) => ({ env, hosts })),
    },
    timings: stageTimes(timings),
  }
}
