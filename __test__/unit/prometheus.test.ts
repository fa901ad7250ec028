// Prometheus' text: held to the grammar of the exposition format, with names that try to break it.
import { expect, test } from 'vitest'
import type { BoxInfo } from '../../lib/info.js'
import { type BoxMetrics, boxMetrics } from '../../lib/metrics.js'
import { exposition } from '../../lib/prometheus.js'

const RUNTIME = {
  boxesCreated: 3,
  boxesDestroyed: 1,
  boxesFailed: 0,
  boxesRunning: 2,
  totalExecCalls: 1e6,
  totalExecErrors: 0,
  totalBytesTransferred: 2 ** 52,
}

const GUEST = {
  cpuTimeMs: 1500,
  memoryUsageBytes: 5,
  memoryTotalBytes: 7,
  pids: 2,
  executions: 9,
  oomKills: 0,
  diskSizeBytes: 100,
  diskUsedBytes: 50,
  diskReadBytes: 1,
  diskWrittenBytes: 2,
  uptimeMs: 3000,
}

const info = (id: string, more: object = {}) =>
  ({ id, name: null, image: 'alpine:3', state: 'running', labels: {}, ...more }) as BoxInfo
const figures = (more: object = {}): BoxMetrics =>
  boxMetrics({ state: 'running', diskOnHostBytes: 4, timings: [{ stage: 'spawn', ms: 12.5 }], ...more }, undefined)

type Sample = { name: string; labels: Record<string, string>; value: number }

/** Parses the text as the format's specification has it, and throws for whatever it does not allow. */
function parse(text: string): Sample[] {
  expect(text.endsWith('\n')).toBe(true)
  const types = new Map<string, string>()
  const closed = new Set<string>()
  const seen = new Set<string>()
  let family = ''
  return text
    .slice(0, -1)
    .split('\n')
    .flatMap(line => {
      const comment = /^# (HELP|TYPE) ([a-zA-Z_:][a-zA-Z0-9_:]*) (.+)$/.exec(line)
      if (comment) {
        const [, kind, name = '', rest = ''] = comment
        if (kind === 'TYPE') {
          expect(['counter', 'gauge'], line).toContain(rest)
          expect(types.has(name), `one TYPE: ${line}`).toBe(false)
          types.set(name, rest)
        }
        if (family !== name) closed.add(family)
        expect(closed.has(name), `a family in one piece: ${line}`).toBe(false)
        family = name
        return []
      }
      const sample = /^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)$/.exec(line)
      if (!sample) throw new Error(`no sample: ${line}`)
      const [, name = '', inner = '', number = ''] = sample
      expect(name, line).toBe(family)
      if (types.get(name) === 'counter') expect(name).toMatch(/_total$/)
      const labels: Record<string, string> = {}
      let rest = inner
      while (rest !== '') {
        const pair = /^([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\]|\\[\\n"])*)"(?:,|$)/.exec(rest)
        if (!pair) throw new Error(`no label: ${rest}`)
        const [whole, label = '', value = ''] = pair
        expect(Object.hasOwn(labels, label), `one ${label}: ${line}`).toBe(false)
        labels[label] = value.replace(/\\(.)/g, (_, c) => (c === 'n' ? '\n' : c))
        rest = rest.slice(whole.length)
      }
      const value = Number(number)
      expect(Number.isFinite(value), line).toBe(true)
      const key = `${name}${JSON.stringify(Object.entries(labels).sort())}`
      expect(seen.has(key), `one sample: ${line}`).toBe(false)
      seen.add(key)
      return [{ name, labels, value }]
    })
}

test('the text keeps the grammar and has every counter', () => {
  const samples = parse(exposition(RUNTIME, []))
  const value = (name: string) => samples.find(sample => sample.name === name)?.value
  expect(value('boxlite_boxes_created_total')).toBe(3)
  expect(value('boxlite_boxes_running')).toBe(2)
  expect(value('boxlite_transferred_bytes_total')).toBe(2 ** 52)
})

test('names, images and labels of boxes arrive as they are', () => {
  const trap = 'a "b" \\ c\n# TYPE x counter\nx 1'
  const labels = { 'com.example/team': trap, com_example_team: 'other', 'com.example.team': 'third' }
  const boxes = [
    { info: info('1', { name: 'web', image: trap, labels }), metrics: figures({ guest: GUEST }) },
    { info: info('2', { state: 'stopped' }), metrics: undefined },
  ]
  const samples = parse(exposition(RUNTIME, boxes))
  const of = (name: string) => samples.filter(sample => sample.name === `boxlite_box_${name}`)
  expect(of('info').map(sample => sample.labels)).toEqual([
    {
      box_id: '1',
      box_name: 'web',
      image: trap,
      state: 'running',
      label_com_example_team: trap,
      label_com_example_team_2: 'other',
      label_com_example_team_3: 'third',
    },
    { box_id: '2', box_name: '', image: 'alpine:3', state: 'stopped' },
  ])
  expect(of('cpu_seconds_total')).toEqual([
    { name: 'boxlite_box_cpu_seconds_total', labels: { box_id: '1', box_name: 'web' }, value: 1.5 },
  ])
  expect(of('boot_seconds')[0]).toMatchObject({ labels: { stage: 'spawn' }, value: 0.0125 })
  expect(of('network_sent_bytes_total')).toEqual([])
})

test('the use of the CPU is over the time since the last sample, and of a new machine since its start', () => {
  const first = figures({ guest: GUEST })
  expect(first.cpuPercent).toBe(50)
  const native = (cpuTimeMs: number, uptimeMs: number) => ({
    state: 'running',
    diskOnHostBytes: 0,
    timings: [],
    guest: { ...GUEST, cpuTimeMs, uptimeMs },
  })
  const second = boxMetrics(native(3500, 4000), first)
  expect(second.cpuPercent).toBe(200)
  expect(boxMetrics(native(100, 1000), second).cpuPercent).toBe(10)
  expect(boxMetrics({ state: 'stopped', diskOnHostBytes: 0, timings: [] }, second).cpuPercent).toBeNull()
})
