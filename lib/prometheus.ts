// The figures of a runtime and its boxes in Prometheus' text format, version 0.0.4
// (prometheus.io/docs/instrumenting/exposition_formats). Called by `runtime.ts`.
import type { BoxInfo } from './info.js'
import type { BoxMetrics, RuntimeMetrics } from './metrics.js'

type Kind = 'counter' | 'gauge'
type Labels = Record<string, string>

/** A box and, where it could be measured, its figures. */
export interface Measured {
  info: BoxInfo
  metrics: BoxMetrics | undefined
}

const RUNTIME: [name: string, kind: Kind, help: string, value: (metrics: RuntimeMetrics) => number][] = [
  ['boxes_created_total', 'counter', 'Boxes made.', m => m.boxesCreated],
  ['boxes_destroyed_total', 'counter', 'Boxes removed.', m => m.boxesDestroyed],
  ['boxes_failed_total', 'counter', 'Boxes that failed to start or ended unasked.', m => m.boxesFailed],
  ['boxes_running', 'gauge', 'Boxes that run in this process.', m => m.boxesRunning],
  ['exec_calls_total', 'counter', 'Executions asked for.', m => m.totalExecCalls],
  ['exec_errors_total', 'counter', 'Executions that could not be started or were lost.', m => m.totalExecErrors],
  ['transferred_bytes_total', 'counter', 'Bytes of stdin, stdout and stderr.', m => m.totalBytesTransferred],
]

const seconds = (ms: number | null | undefined) => (ms == null ? ms : ms / 1000)

const BOX: [name: string, kind: Kind, help: string, value: (metrics: BoxMetrics) => number | null | undefined][] = [
  ['uptime_seconds', 'gauge', 'Time since the machine booted.', m => seconds(m.uptimeMs)],
  ['cpu_seconds_total', 'counter', 'CPU time of the processes in the box.', m => seconds(m.cpuTimeMs)],
  ['memory_usage_bytes', 'gauge', 'Memory in use in the box.', m => m.memoryUsageBytes],
  ['memory_peak_bytes', 'gauge', 'The most memory in use since the start.', m => m.memoryPeakBytes],
  ['memory_total_bytes', 'gauge', 'Memory of the machine.', m => m.memoryTotalBytes],
  ['pids', 'gauge', 'Processes and threads in the box.', m => m.pids],
  ['execs_total', 'counter', 'Executions since the start.', m => m.execCount],
  ['oom_kills_total', 'counter', 'Processes killed for want of memory since the start.', m => m.oomKills],
  ['disk_size_bytes', 'gauge', 'Size of the root file system.', m => m.disk.sizeBytes],
  ['disk_used_bytes', 'gauge', 'Bytes in use on the root file system.', m => m.disk.usedBytes],
  ['disk_read_bytes_total', 'counter', 'Bytes read from the disk since the start.', m => m.disk.readBytes],
  ['disk_written_bytes_total', 'counter', 'Bytes written to the disk since the start.', m => m.disk.writtenBytes],
  ['disk_host_bytes', 'gauge', "What the box's own disk takes on the host.", m => m.disk.hostBytes],
  ['network_received_bytes_total', 'counter', 'Bytes received since the start.', m => m.network?.receivedBytes],
  ['network_sent_bytes_total', 'counter', 'Bytes sent since the start.', m => m.network?.sentBytes],
  [
    'host_cpu_seconds_total',
    'counter',
    "CPU time of the box's processes on the host.",
    m => seconds(m.host?.cpuTimeMs),
  ],
  ['host_rss_bytes', 'gauge', 'Memory on the host, shared pages in full.', m => m.host?.rssBytes],
  ['host_pss_bytes', 'gauge', 'Memory on the host, shared pages in parts.', m => m.host?.pssBytes],
]

/** The whole text. */
export function exposition(runtime: RuntimeMetrics, boxes: Measured[]): string {
  const lines: string[] = []
  const family = (name: string, kind: Kind, help: string, samples: [Labels, number | null | undefined][]) => {
    const known = samples.filter((sample): sample is [Labels, number] => sample[1] != null)
    if (known.length === 0) return
    lines.push(`# HELP boxlite_${name} ${help}`, `# TYPE boxlite_${name} ${kind}`)
    for (const [labels, value] of known) lines.push(`boxlite_${name}${labelSet(labels)} ${value}`)
  }
  for (const [name, kind, help, value] of RUNTIME) family(name, kind, help, [[{}, value(runtime)]])
  family(
    'box_info',
    'gauge',
    'A box with its labels; always 1.',
    boxes.map(({ info }) => [{ ...id(info), image: info.image, state: info.state, ...userLabels(info.labels) }, 1]),
  )
  for (const [name, kind, help, value] of BOX) {
    const samples = boxes.map(({ info, metrics }): [Labels, number | null | undefined] => [
      id(info),
      metrics && value(metrics),
    ])
    family(`box_${name}`, kind, help, samples)
  }
  const stages = boxes.flatMap(({ info, metrics }) =>
    Object.entries(metrics?.boot ?? {}).map(([stage, ms]): [Labels, number] => [{ ...id(info), stage }, ms / 1000]),
  )
  family('box_boot_seconds', 'gauge', 'Time that each stage of the last start took.', stages)
  return `${lines.join('\n')}\n`
}

function id(info: BoxInfo): Labels {
  return { box_id: info.id, box_name: info.name ?? '' }
}

/** `com.example/team` becomes `label_com_example_team`; of several that become the same, the first keeps the name. */
function userLabels(labels: Labels): Labels {
  const named: Labels = {}
  for (const [key, value] of Object.entries(labels)) {
    const name = `label_${key.replace(/[^A-Za-z0-9_]/g, '_')}`
    let free = name
    for (let i = 2; Object.hasOwn(named, free); i += 1) free = `${name}_${i}`
    named[free] = value
  }
  return named
}

function labelSet(labels: Labels): string {
  const pairs = Object.entries(labels).map(([name, value]) => `${name}="${escaped(value)}"`)
  return pairs.length === 0 ? '' : `{${pairs.join(',')}}`
}

const ESCAPES: Record<string, string> = { '\\': '\\\\', '"': '\\"', '\n': '\\n' }

function escaped(value: string): string {
  return value.replace(/[\\"\n]/g, character => ESCAPES[character] as string)
}
