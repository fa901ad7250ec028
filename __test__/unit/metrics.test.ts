// The use of the CPU between two samples.
import { expect, test } from 'vitest'
import { type BoxMetrics, boxMetrics } from '../../lib/metrics.js'

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

const figures = (more: object = {}): BoxMetrics =>
  boxMetrics({ state: 'running', diskOnHostBytes: 4, timings: [], ...more }, undefined)

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
