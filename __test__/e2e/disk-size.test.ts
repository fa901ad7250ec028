// The size of a box's disk: what was asked for is what the box sees, and what it can't go beyond, whatever it does.
import { statSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import type { Box, Runtime } from '../../index.mjs'
import { failure } from '../support/failures.js'
import { useHomes } from '../support/homes.js'
import { layout } from '../support/images.js'

const homes = useHomes()
const MIB = 1024 * 1024

/** Bytes of the box's file system, and how many of them are free. */
async function room(box: Box) {
  const { stdout } = await box.exec('df', ['-Pk', '/'], { check: true })
  const [total, , free] = (stdout.trim().split('\n')[1] ?? '').split(/\s+/).slice(1, 4).map(Number)
  return { total: (total ?? 0) * 1024, free: (free ?? 0) * 1024 }
}

it('has sixteen gibibytes by default, on next to nothing of the host', async () => {
  const home = homes.folder()
  const runtime = await homes.open({ home })
  const box = await runtime.create({ image: await layout(homes) })
  expect((await box.info()).diskSizeGb).toBeNull()
  const { total, free } = await room(box)
  expect(total).toBeGreaterThan(15.5 * 1024 * MIB)
  expect(free).toBeGreaterThan(15.5 * 1024 * MIB)
  expect((await box.info()).diskSizeGb).toBe(16)
  expect(statSync(join(home, 'boxes', box.id, 'disk.qcow2')).blocks * 512).toBeLessThan(8 * MIB)
  // Far into groups that nobody wrote before, and back.
  await box.exec('sh', ['-c', 'for i in $(seq 300); do mkdir -p /d$i/e && echo $i > /d$i/e/f; done; sync'], {
    check: true,
  })
  await box.stop()
  expect((await box.exec('cat', ['/d300/e/f'])).stdout).toBe('300\n')
})

it('has any other size, beyond one block of descriptors too', async () => {
  const runtime = await homes.open()
  const image = await layout(homes)
  for (const diskSizeGb of [0.2, 40]) {
    const box = await runtime.create({ image, diskSizeGb })
    const { total } = await room(box)
    const size = Math.ceil(diskSizeGb * 8) / 8
    expect((await box.info()).diskSizeGb).toBe(size)
    expect(total).toBeGreaterThan(size * 1024 * MIB * 0.7)
    expect(total).toBeLessThan(size * 1024 * MIB)
    await box.remove({ force: true })
  }
})

it('ends at its size, and nothing else suffers', async () => {
  const home = homes.folder()
  const runtime = await homes.open({ home })
  const image = await layout(homes)
  const [full, other] = [await runtime.create({ image, diskSizeGb: 0.125 }), await runtime.create({ image })]
  await other.start()
  const filled = await full.exec('dd', ['if=/dev/zero', 'of=/var/fill', 'bs=1M'])
  expect(filled.exitCode).not.toBe(0)
  expect(filled.stderr).toContain('No space left on device')
  expect((await full.exec('sh', ['-c', 'echo x > /var/more'])).stderr).toContain('No space left on device')
  const error = await failure(full.fs.writeFile('/var/more', 'x'.repeat(8192)), 'ENOSPC')
  expect(error.message).toContain('no space left on device')
  expect((await other.exec('sh', ['-c', 'echo fine > /var/x && cat /var/x'])).stdout).toBe('fine\n')
  expect(statSync(join(home, 'boxes', full.id, 'disk.qcow2')).size).toBeLessThan(136 * MIB)

  await full.stop()
  expect((await full.exec('sh', ['-c', 'rm /var/fill && echo again > /var/more && cat /var/more'])).stdout).toBe(
    'again\n',
  )
  expect((await room(full)).free).toBeGreaterThan(50 * MIB)
})

it('refuses what is no size', async () => {
  const runtime: Runtime = await homes.open()
  for (const diskSizeGb of [0, -1, Number.NaN, 5000, '16' as never]) {
    const error = await failure(runtime.create({ image: 'x', diskSizeGb }), 'INVALID_ARGUMENT')
    expect(error.message).toContain('diskSizeGb')
  }
})
