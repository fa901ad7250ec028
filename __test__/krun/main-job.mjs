// Rung 3: the main job on libkrun. It uses node:test in one process, since the emulated host is slow. Started by scripts/test-krun.mjs.
// Each test continues with the box of the one before.
import assert from 'node:assert/strict'
import { fork } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { Runtime } from '../../index.mjs'
import { writeBusybox } from '../../scripts/image/busybox.mjs'

const folder = mkdtempSync(join(tmpdir(), 'bx-'))
const home = join(folder, 'home')
/** @type {Runtime} */
let runtime
/** @type {import('../../index.mjs').Box} */
let box

before(async () => {
  await writeBusybox(join(folder, 'image'))
  runtime = await Runtime.open({ home })
  box = await runtime.create({ image: join(folder, 'image'), name: 'krun' })
})
after(async () => {
  await runtime.close()
  rmSync(folder, { recursive: true, force: true })
})

test('auto chooses libkrun, on hardware virtualisation', async () => {
  await box.start()
  const info = await box.info()
  assert.equal(info.engine, 'krun')
  assert.equal(info.accelerated, true)
})

test('its memory has huge pages where every start fills it, and no others', async t => {
  if (process.getuid?.() !== 0) return t.skip("needs root, who alone may read a shim's /proc/PID/smaps")
  const { pid } = await box.info()
  /** KiB in huge pages of the mappings with advice for huge pages (`hg`) and against them (`nh`); see proc(5), smaps. */
  const huge = { hg: 0, nh: 0 }
  for (const mapping of readFileSync(`/proc/${pid}/smaps`, 'utf8').split(/^(?=[0-9a-f]+-)/m)) {
    const advice = /^VmFlags:.* (hg|nh)\b/m.exec(mapping)?.[1]
    if (advice === 'hg' || advice === 'nh') huge[advice] += Number(/^AnonHugePages:\s+(\d+) kB/m.exec(mapping)?.[1])
  }
  const enabled = readFileSync('/sys/kernel/mm/transparent_hugepage/enabled', 'utf8')
  assert.equal(huge.nh, 0)
  // A box of 512 MiB has 22 + 16 MiB; a host with few free pages of 2 MiB gives less.
  assert.ok(
    enabled.includes('[never]') ? huge.hg === 0 : huge.hg >= 16 * 1024 && huge.hg <= 38 * 1024,
    `${huge.hg} KiB, ${enabled}`,
  )
})

test('output and exit code are exact', async () => {
  const { exitCode, signal, stdout, stderr } = await box.exec('sh', ['-c', 'echo out; echo err >&2; exit 7'])
  assert.deepEqual(
    { exitCode, signal, stdout, stderr },
    { exitCode: 7, signal: null, stdout: 'out\n', stderr: 'err\n' },
  )
})

test('a command that a signal ended and a missing command are reported', async () => {
  assert.equal((await box.exec('sh', ['-c', 'kill -9 $$'])).signal, 'SIGKILL')
  await assert.rejects(box.exec('no-such-command'), { code: 'COMMAND_NOT_FOUND' })
})

test('20 commands at once each have their own output', async () => {
  const results = await Promise.all(
    Array.from({ length: 20 }, (_, i) => box.exec('sh', ['-c', `echo ${i}; exit ${i}`])),
  )
  assert.deepEqual(
    results.map(({ exitCode, stdout }) => [exitCode, stdout]),
    results.map((_, i) => [i, `${i}\n`]),
  )
})

test('8 MB of output arrive byte for byte', async () => {
  const child = box.spawn('sh', ['-c', 'head -c 8388608 /dev/urandom > /data; sha256sum < /data >&2; cat /data'])
  const hash = createHash('sha256')
  let sum = ''
  child.stderr.on('data', text => {
    sum += text
  })
  for await (const chunk of child.stdout) hash.update(chunk)
  assert.equal((await child.wait()).exitCode, 0)
  assert.equal(sum.split(' ')[0], hash.digest('hex'))
})

test('files and trees are copied in and out', async () => {
  await box.fs.mkdir('/srv/sub', { recursive: true })
  await box.fs.writeFile('/srv/sub/file', 'text')
  assert.equal(await box.fs.readFile('/srv/sub/file', 'utf8'), 'text')
  await assert.rejects(box.fs.stat('/none'), { code: 'ENOENT', errno: -2, syscall: 'stat', path: '/none' })
  const data = randomBytes(8 << 20)
  writeFileSync(join(folder, 'data'), data)
  await box.copyIn(join(folder, 'data'), '/srv/data')
  await box.copyOut('/srv', join(folder, 'work'))
  assert.ok(data.equals(readFileSync(join(folder, 'work/data'))))
  assert.equal(readFileSync(join(folder, 'work/sub/file'), 'utf8'), 'text')
})

test('a file is still there after stop and start', async () => {
  await box.exec('sh', ['-c', 'echo kept > /root/note'], { check: true })
  await box.stop()
  assert.equal((await box.info()).state, 'stopped')
  assert.deepEqual(shims(), [])
  await box.start()
  assert.equal((await box.exec('cat', ['/root/note'])).stdout, 'kept\n')
})

test('a main process is supervised, and its output up to its exit is in the log', async () => {
  const line = 'trap "echo bye; exit 3" TERM; echo up; while :; do sleep 0.05; done'
  const main = await runtime.create({
    image: join(folder, 'image'),
    cmd: ['sh', '-c', line],
    healthCheck: { command: 'true', intervalMs: 50 },
  })
  const events = main.events()
  await main.start()
  for await (const event of events) if (event.type === 'health' && event.health === 'healthy') break
  assert.ok(((await main.metrics()).cpuTimeMs ?? 0) > 0)
  const before = performance.now()
  await main.stop()
  const took = performance.now() - before
  let text = ''
  for await (const entry of main.logs()) if (entry.stream === 'stdout') text += entry.data
  assert.equal(text, 'up\nbye\n')
  assert.equal((await main.wait()).exitCode, 3)
  // This is well below the three seconds for which a guest waits for a host that does not read its journal.
  assert.ok(took < 2500, `${took} ms`)
  await main.remove()
})

test('another process joins the box, and a box of its own ends with it', async () => {
  const peer = await startPeer()
  const out = await peer.run(
    async (theirs, image, kept) => {
      const { stdout } = await (await theirs.get('krun')).exec('cat', ['/root/note'])
      kept.box = await theirs.create({ image, name: 'theirs' })
      await kept.box.start()
      return stdout
    },
    join(folder, 'image'),
  )
  assert.equal(out, 'kept\n')
  const joined = await runtime.get('theirs')
  assert.equal((await joined.exec('hostname')).stdout, 'theirs\n')
  const end = joined.wait()
  const killed = performance.now()
  peer.process.kill('SIGKILL')
  assert.equal((await end).state, 'stopped')
  assert.ok(performance.now() - killed < 2_000)
  await joined.remove()
  assert.equal(shims().length, 1)
})

test('a detached box is found running after its process was killed', async () => {
  const peer = await startPeer()
  const pid = await peer.run(
    async (theirs, image) => {
      const box = await theirs.create({ image, name: 'service', detached: true })
      await box.spawn('sh', ['-c', 'while :; do echo tick; sleep 0.1; done'], { detached: true }).started
      return (await box.info()).pid
    },
    join(folder, 'image'),
  )
  peer.process.kill('SIGKILL')
  await once(peer.process, 'exit')
  const found = await runtime.get('service')
  assert.equal((await found.info()).pid, pid)
  const [running] = await found.executions()
  assert.ok(running)
  for await (const event of found.execution(running.id)) {
    assert.equal(event.type, 'stdout')
    break
  }
  await found.stop()
  assert.equal((await found.info()).state, 'stopped')
  await found.remove()
})

test('remove leaves no process and no file', async () => {
  await box.remove({ force: true })
  assert.deepEqual(shims(), [])
  assert.deepEqual(readdirSync(join(home, 'boxes')), [])
})

/** Starts another process with a runtime in the same home; see support/peer.mjs. */
async function startPeer() {
  const process = fork(fileURLToPath(new URL('../support/peer.mjs', import.meta.url)), [JSON.stringify({ home })], {
    execArgv: [],
  })
  await once(process, 'message')
  return {
    process,
    /**
     * @template T
     * @param {(runtime: Runtime, image: string, kept: { box: import('../../index.mjs').Box }) => Promise<T>} work
     * @param {string} argument
     * @returns {Promise<T>}
     */
    async run(work, argument) {
      process.send({ id: 1, source: work.toString(), argument })
      const [{ result, error }] = await once(process, 'message')
      assert.equal(error, undefined)
      return result
    },
  }
}

/** Returns the pids of the shims that run on this host. */
function shims() {
  return readdirSync('/proc').filter(pid => /^\d+$/.test(pid) && commandOf(pid).includes('boxlite-shim'))
}

/** @param {string} pid */
function commandOf(pid) {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8')
  } catch {
    return ''
  }
}
