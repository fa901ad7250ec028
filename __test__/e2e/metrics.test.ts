// The figures of a box: what its guest, its disk and its processes on the host tell, at an interval and for Prometheus.
import { expect, it } from 'vitest'
import type { BoxMetrics } from '../../index.mjs'
import { useHomes } from '../support/homes.js'
import { layout } from '../support/images.js'

const homes = useHomes()

it('a box is measured inside and out, and not started for it', async () => {
  const runtime = await homes.open()
  const image = await layout(homes)
  const box = await runtime.create({ image, name: 'measured' })
  const before = await box.metrics()
  expect(before).toMatchObject({ state: 'created', cpuTimeMs: null, memoryUsageBytes: null, host: null })
  expect(before.disk.hostBytes).toBe(0)
  await box.exec('sh', [
    '-c',
    'dd if=/dev/urandom of=/var/x bs=1M count=4; sync; i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done',
  ])
  const running = await box.metrics()
  expect(running).toMatchObject({ state: 'running', execCount: 1, oomKills: 0, network: { refusals: 0 } })
  const guest = running as { [K in keyof BoxMetrics]: NonNullable<BoxMetrics[K]> }
  expect(guest.cpuTimeMs).toBeGreaterThan(0)
  expect(guest.cpuPercent).toBeGreaterThan(0)
  expect(guest.memoryUsageBytes).toBeGreaterThan(4 << 20)
  expect(guest.memoryTotalBytes).toBeGreaterThan(300 << 20)
  expect(guest.uptimeMs).toBeGreaterThan(0)
  expect(guest.pids).toBeGreaterThan(0)
  expect(guest.disk.writtenBytes).toBeGreaterThanOrEqual(4 << 20)
  expect(guest.disk.usedBytes).toBeGreaterThanOrEqual(4 << 20)
  expect(guest.disk.usedBytes).toBeLessThan(guest.disk.sizeBytes as number)
  expect(guest.disk.hostBytes).toBeGreaterThanOrEqual(4 << 20)
  expect(guest.host.cpuTimeMs).toBeGreaterThan(0)
  expect(guest.host.pssBytes).toBeGreaterThan(10 << 20)
  expect(guest.host.rssBytes).toBeGreaterThanOrEqual(guest.host.pssBytes)
  expect(Object.keys(guest.boot)).toContain('container')

  const watched: BoxMetrics[] = []
  for await (const sample of box.watchMetrics({ intervalMs: 50 })) if (watched.push(sample) === 3) break
  expect(watched.map(sample => sample.uptimeMs)).toEqual(
    watched.map(sample => sample.uptimeMs).sort((a, b) => (a ?? 0) - (b ?? 0)),
  )

  const text = await runtime.prometheus()
  expect(text).toMatch(
    new RegExp(`^boxlite_box_memory_usage_bytes\\{box_id="${box.id}",box_name="measured"\\} [1-9]\\d+$`, 'm'),
  )
  expect(text).toMatch(/^boxlite_boxes_running 1$/m)
  await box.stop()
  const after = await box.metrics()
  expect(after).toMatchObject({
    state: 'stopped',
    cpuTimeMs: null,
    host: null,
    boot: { container: expect.any(Number) },
  })
  expect(after.disk.hostBytes).toBeGreaterThanOrEqual(4 << 20)
})

it('a box without a network has no figures of one, nor an interface', async () => {
  const runtime = await homes.open()
  const box = await runtime.create({ image: await layout(homes), network: 'none' })
  expect((await box.exec('ls', ['/sys/class/net'])).stdout).not.toContain('eth0')
  expect((await box.metrics()).network).toBeNull()
  expect((await box.info()).network).toBeNull()
  const other = await runtime.create({ image: await layout(homes) })
  expect((await other.info()).network).toEqual({ backend: 'gateway', allow: ['public'], deny: [], secrets: [] })
  expect((await other.exec('ls', ['/sys/class/net'])).stdout).toContain('eth0')
  await Promise.all([box, other].map(one => one.remove({ force: true })))
})
