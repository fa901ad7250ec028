// The figures of a box and of a runtime. Made from the addon's answers for `box.ts` and `runtime.ts`.
import type { NativeBoxMetrics, NativeMetrics } from './binding.js'
import type { Stage } from './errors.js'
import { type BoxState, stageTimes } from './info.js'
import { camelCase } from './names.js'

/** What went through the network of a box, or of all boxes of a runtime. */
export interface NetworkMetrics {
  /** Bytes to the box. */
  receivedBytes: number
  /** Bytes from the box. */
  sentBytes: number
  /** Packets to the box. */
  receivedPackets: number
  /** Packets from the box. */
  sentPackets: number
  /** Connections that are open now, of TCP and UDP. */
  connections: number
  /** Connections that were opened. */
  connectionsTotal: number
  /** Connections, datagrams and DNS queries that were refused. */
  refusals: number
  /** DNS queries. */
  dnsQueries: number
  /** Packets from the box that were dropped: malformed, of a protocol that is not served, or of an address that is not the box's. */
  droppedPackets: number
}

/** Counters of a runtime since it was opened. */
export interface RuntimeMetrics {
  /** Boxes made. */
  boxesCreated: number
  /** Boxes removed. */
  boxesDestroyed: number
  /** Boxes that failed to start or ended unasked. */
  boxesFailed: number
  /** Boxes that run now. */
  boxesRunning: number
  /** Executions requested. */
  totalExecCalls: number
  /** Executions that could not be started or were lost. */
  totalExecErrors: number
  /** Bytes of standard input, output and error together. */
  totalBytesTransferred: number
  /** What went through the networks of the boxes that this process uses, since it uses them. */
  network: NetworkMetrics
}

/**
 * The current figures of a box. What only its guest knows is `null` while it does not run; it is measured
 * inside, by the container's cgroup, and counted from the last start.
 */
export interface BoxMetrics {
  /** When they were taken. */
  time: Date
  /** The box's state. */
  state: BoxState
  /** Milliseconds since the machine booted. */
  uptimeMs: number | null
  /** Milliseconds of CPU time of all processes of the box. */
  cpuTimeMs: number | null
  /**
   * Per cent of one CPU: of two that are busy, 200. Over the time since the last sample that was taken in the same way (by
   * `metrics()` of this `Box`, or by this `watchMetrics()`); the first is over the time since the start.
   */
  cpuPercent: number | null
  /** Bytes of memory in use by the box's processes, file caches included. */
  memoryUsageBytes: number | null
  /** The most since the start; `null` too where the box's kernel does not keep it. */
  memoryPeakBytes: number | null
  /** Bytes of memory of the machine. */
  memoryTotalBytes: number | null
  /** Processes and threads. */
  pids: number | null
  /** Executions since the start. */
  execCount: number | null
  /** Processes that were killed for want of memory since the start. */
  oomKills: number | null
  /** The box's disk, in bytes. */
  disk: {
    /** Of the root file system. */
    sizeBytes: number | null
    /** In use on it, by the image too. */
    usedBytes: number | null
    /** Read since the start. */
    readBytes: number | null
    /** Written since the start. */
    writtenBytes: number | null
    /** What the box's own disk takes on the host: what it wrote over its image. */
    hostBytes: number
  }
  /** What went through its network since its start, counted by the host; `null` without one, and while it does not run. */
  network: NetworkMetrics | null
  /** Milliseconds of each stage of the last start. */
  boot: Partial<Record<Stage, number>>
  /** What the box's processes cost the host; `null` while it does not run, and on systems without /proc. */
  host: {
    /** Milliseconds of CPU time. */
    cpuTimeMs: number
    /** Bytes in memory, shared ones in full. */
    rssBytes: number
    /** Bytes in memory, shared ones in parts. */
    pssBytes: number
  } | null
}

/** The public form of the addon's sample. */
export function boxMetrics({ guest, host, ...native }: NativeBoxMetrics): BoxMetrics {
  return {
    time: new Date(),
    state: native.state as BoxState,
    uptimeMs: guest?.uptime_ms ?? null,
    cpuTimeMs: guest?.cpu_time_ms ?? null,
    cpuPercent: native.cpu_percent,
    memoryUsageBytes: guest?.memory_usage ?? null,
    memoryPeakBytes: guest?.memory_peak ?? null,
    memoryTotalBytes: guest?.memory_total ?? null,
    pids: guest?.pids ?? null,
    execCount: guest?.executions ?? null,
    oomKills: guest?.oom_kills ?? null,
    disk: {
      sizeBytes: guest?.disk_size ?? null,
      usedBytes: guest?.disk_used ?? null,
      readBytes: guest?.disk_read ?? null,
      writtenBytes: guest?.disk_written ?? null,
      hostBytes: native.disk_on_host,
    },
    network: native.network && camelCase(native.network),
    boot: stageTimes(native.timings),
    host: host && { cpuTimeMs: host.cpu_time_ms, rssBytes: host.rss, pssBytes: host.pss },
  }
}

/** The public form of the addon's counters. */
export function runtimeMetrics({ network, ...counters }: NativeMetrics): RuntimeMetrics {
  return { ...camelCase(counters), network: camelCase(network) }
}
