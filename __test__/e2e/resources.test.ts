// What a box may have, and what happens when it wants more: memory, processes, CPUs, and the space of the host's disk. The
// box is told, its agent lives on, and the host takes no harm.
import { execFileSync } from 'node:child_process'
import { readFileSync, rmSync, statfsSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import { type Box, Runtime } from '../../index.mjs'
import { failure } from '../support/failures.js'
import { engine, useHomes } from '../support/homes.js'
import { layout } from '../support/images.js'

const homes = useHomes()
let image: string

beforeAll(async () => {
  image = await layout(homes)
})

describe('a box of 2 CPUs, 128 MiB and 40 processes', () => {
  let box: Box
  beforeAll(async () => {
    const runtime = await homes.open()
    box = await runtime.create({ image, cpus: 2, memoryMib: 128, pidsLimit: 40 })
    await box.start()
  })

  it('has so many CPUs and so much memory', async () => {
    const { stdout } = await box.exec('sh', ['-c', 'nproc; grep -c ^processor /proc/cpuinfo; free -m | sed -n 2p'])
    const [cpus, processors, memory] = stdout.split('\n')
    expect([cpus, processors]).toEqual(['2', '2'])
    expect(Number(memory?.split(/\s+/)[1])).toBeLessThanOrEqual(128)
  })

  it('reports which process was killed when memory ran out, and goes on', async () => {
    // tail keeps all that it reads until the end.
    const hog = await box.exec('tail', ['/dev/zero'], { timeoutMs: 90_000 })
    expect(hog).toMatchObject({ exitCode: null, signal: 'SIGKILL', oomKilled: true })
    expect((await box.info()).state).toBe('running')
    expect((await box.exec('echo', ['still here'])).stdout).toBe('still here\n')
  })

  it('survives hogs that are many and new ones that come', async () => {
    const hogs = await box.exec('sh', ['-c', 'for i in 1 2 3 4 5 6; do tail /dev/zero & done; wait; echo over'], {
      timeoutMs: 90_000,
    })
    expect(hogs.stdout + (hogs.signal ?? '')).toMatch(/over|SIGKILL/)
    expect((await box.exec('echo', ['still here'])).stdout).toBe('still here\n')
  })

  it('contains a fork bomb, which can be ended', async () => {
    const bomb = box.spawn('sh', ['-c', 'bomb() { bomb | bomb & }; bomb; while :; do sleep 1; done'])
    bomb.stderr.resume()
    bomb.stdout.resume()
    const refused = async () =>
      Number(/max (\d+)/.exec(await box.fs.readFile('/sys/fs/cgroup/pids.events', 'utf8'))?.[1])
    await expect.poll(refused, { timeout: 30_000 }).toBeGreaterThan(50)
    await bomb.kill('SIGKILL')
    await bomb.wait()
  })

  it('has an error for the limit of processes', async () => {
    const crowd = box.spawn('sh', ['-c', 'for i in $(seq 38); do sleep 60 & done; echo full; wait'])
    for await (const chunk of crowd.stdout) if (String(chunk).includes('full')) break
    const error = await failure(Promise.all(Array.from({ length: 6 }, () => box.exec('sleep', ['1']))), 'EXEC_FAILED')
    expect(error.message).toMatch(/resource|process/i)
    await crowd.kill('SIGKILL')
    await crowd.wait()
    expect((await box.exec('echo', ['room again'])).stdout).toBe('room again\n')
  })

  it('stops in order after all of that', async () => {
    await box.stop({ timeoutMs: 2000 })
    expect((await box.info()).state).toBe('stopped')
    await box.start()
    expect((await box.exec('echo', ['again'])).stdout).toBe('again\n')
  })
})

/** Processor time that a process and its children have had, in seconds (proc(5)). */
function processorTime(pid: number): number {
  const times = ['', ...readFileSync(`/proc/${pid}/task/${pid}/children`, 'latin1').split(' ')].map(child => {
    const stat = readFileSync(`/proc/${child.trim() || pid}/stat`, 'latin1')
    const [user, system] = stat
      .slice(stat.lastIndexOf(') ') + 2)
      .split(' ')
      .slice(11, 13)
      .map(Number)
    return (user ?? 0) + (system ?? 0)
  })
  return times.reduce((sum, time) => sum + time, 0) / 100
}

it.each([1, 2])('a box of %i CPUs and four busy processes takes no more of the host than that', async cpus => {
  const runtime = await homes.open()
  const box = await runtime.create({ image, cpus, memoryMib: 128 })
  const busy = box.spawn('sh', [
    '-c',
    'for i in 1 2 3; do (while :; do :; done) & done; echo busy; while :; do :; done',
  ])
  for await (const chunk of busy.stdout) if (String(chunk).includes('busy')) break
  const { pid } = await box.info()
  const [began, had] = [performance.now(), processorTime(Number(pid))]
  await new Promise(resolve => setTimeout(resolve, 3000))
  const [took, used] = [(performance.now() - began) / 1000, processorTime(Number(pid)) - had]
  // Beside the CPUs there are the engine's own threads, which have little to do; how much of the host is free is not ours to say.
  expect(used).toBeGreaterThan(0)
  expect(used / took).toBeLessThanOrEqual(cpus + 0.2)
  await busy.kill('SIGKILL')
  await busy.wait()
  await box.remove({ force: true })
})

describe.skipIf(process.getuid?.() !== 0)('a host disk that is full (needs root to mount a small one)', () => {
  it('is an error inside, loses nothing that was flushed, and the box starts again once there is space', async () => {
    const home = homes.folder()
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=96m', 'small', home])
    try {
      const runtime = await Runtime.open({ home, engine })
      const box = await runtime.create({ image, memoryMib: 128 })
      const sh = (script: string) => box.exec('sh', ['-c', script], { timeoutMs: 60_000 })
      await sh('echo flushed > /var/note; sync')
      const filler = join(home, 'filler')
      const { bavail, bsize } = statfsSync(home)
      execFileSync('fallocate', ['-l', `${bavail * bsize - (2 << 20)}`, filler])
      const written = await sh('dd if=/dev/urandom of=/var/big bs=64k count=400 conv=fsync 2>&1; echo $?')
      expect(written.stdout).toMatch(/I\/O error|Read-only|Input\/output/i)
      // The box lives, and says so to whoever asks.
      expect((await sh('cat /var/note')).stdout).toBe('flushed\n')
      await box.stop({ timeoutMs: 2000 })
      const error = await failure(
        runtime.create({ image, memoryMib: 128 }).then(other => other.start()),
        'STORAGE_FULL',
      )
      expect(error.hint).toMatch(/free .*space/)
      rmSync(filler)
      expect((await sh('cat /var/note; echo more > /var/more; sync; cat /var/more')).stdout).toBe('flushed\nmore\n')
      await runtime.close()
    } finally {
      execFileSync('umount', [home])
    }
  })
})
