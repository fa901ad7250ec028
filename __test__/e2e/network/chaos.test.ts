// What happens to a box and to its open connections when something around them breaks: the resolver, the host's cable, the shim, a program
// that watches the box, the program that started it. Each leads to a clear error at most, the box goes on, and what is open comes on
// again. `npm run chaos -- --network` is the long form, in which the shim is frozen for a minute.
import { type ChildProcess, spawn } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { useHomes } from '../../support/homes.js'
import { layout } from '../../support/images.js'
import { type Host, useInternet, WORLD } from '../../support/internet.js'

const FREEZE_MS = Number(process.env.BOXLITE_CHAOS_FREEZE_MS ?? 6_000)
/** How long a connection may take to come on again: TCP waits ever longer between two attempts. */
const PATIENCE_MS = 60_000 + FREEZE_MS
/** Every connection of these tests leads to a service that answers with what it gets. */
const ECHO = 7000

const homes = useHomes()
const internet = useInternet(homes)
let home: string
let host: Host
let box: string

beforeAll(async () => {
  home = homes.folder()
  host = await internet.start(home)
  const image = await layout(homes)
  box = await host.create({ image, memoryMib: 128, detached: true, network: 'default', ports: [ECHO] })
  await host.sh(box, `setsid nc -ll -p ${ECHO} -e cat >/dev/null 2>&1 </dev/null &`)
  await host.peer.run(async (runtime, { box, port }) => (await runtime.get(box)).waitForPort(port), { box, port: ECHO })
}, 300_000)
afterAll(async () => {
  published?.kill()
  await host?.peer.run(async (runtime, box) => runtime.remove(box, { force: true }), box)
})

const info = () => host.peer.run(async (runtime, box) => (await runtime.get(box)).info(), box)
const output = (line: string) => host.output(box, line)

/** A client on the host, and not of the program that has the runtime, of the port that the box publishes. */
let published: ChildProcess | undefined

async function openPublished(): Promise<ChildProcess> {
  const [port] = await host.peer.run(async (runtime, box) => (await runtime.get(box)).ports(), box)
  const [program = '', ...options] = internet.through
  return spawn(program, [...options, 'busybox', 'nc', '127.0.0.1', String(port?.host)], {
    stdio: ['pipe', 'pipe', 'ignore'],
  })
}

/** Opens what the program with the runtime keeps: a connection into the box, and one from the box to a server of the world. */
const openKept = () =>
  host.peer.run(
    async (runtime, { box, port, web }, kept) => {
      const handle = await runtime.get(box)
      const dialled = handle.connect(port)
      const out = handle.spawn('nc', [web, '7'])
      for (const [name, reader, writer] of [
        ['dialled', dialled, dialled],
        ['out', out.stdout, out.stdin],
      ] as const) {
        const line = { text: '', error: undefined, write: (text: string) => writer.write(text) }
        kept[name] = line
        reader.on('data', (data: Buffer | string) => {
          line.text += data
        })
        reader.on('error', error => {
          Object.assign(line, { error })
        })
      }
      kept.stop = () => out.kill('SIGKILL')
      kept.close = () => dialled.destroy()
    },
    { box, port: ECHO, web: WORLD.web },
  )

let count = 0

/** Sends a line over each of these connections, and resolves when all are back. */
async function expectEcho(...names: ('published' | 'dialled' | 'out')[]): Promise<void> {
  const told = `line ${++count} `
  await Promise.all(names.map(name => (name === 'published' ? echoPublished(told) : echoKept(name, told))))
}

async function echoPublished(told: string): Promise<void> {
  let text = ''
  const heard = (data: Buffer) => {
    text += data
  }
  published?.stdout?.on('data', heard)
  published?.stdin?.write(`${told}\n`)
  await expect.poll(() => text, { timeout: PATIENCE_MS }).toContain(told)
  published?.stdout?.off('data', heard)
}

async function echoKept(name: 'dialled' | 'out', told: string): Promise<void> {
  await tell(name, told)
  const heard = () => host.peer.run((_, name, kept) => kept[name].text as string, name)
  await expect.poll(heard, { timeout: PATIENCE_MS, interval: 200 }).toContain(told)
}

const tell = (name: 'dialled' | 'out', told: string) =>
  host.peer.run((_, { name, told }, kept) => void kept[name].write(`${told}\n`), { name, told })

/** What a call of the other program fails with. */
const failure = async (call: Promise<unknown>): Promise<{ code?: string; message: string }> =>
  call.then(
    () => {
      throw new Error('it did not fail')
    },
    error => error,
  )

it('opens a connection of each kind', async () => {
  published = await openPublished()
  await openKept()
  await expectEcho('published', 'dialled', 'out')
})

it('a resolver that dies: names fail at once, addresses and what is open go on, and names work when it is back', async () => {
  expect(await output('wget -qO- http://web.example/')).toBe(`hello from ${WORLD.web}\n`)
  await internet.stopResolver(WORLD.resolver)
  expect(await output('wget -qO- http://web.example/')).toMatch(/bad address/)
  expect(await output(`wget -qO- http://${WORLD.web}/`)).toBe(`hello from ${WORLD.web}\n`)
  await expectEcho('published', 'dialled', 'out')
  await internet.startResolver(WORLD.resolver)
  await expect
    .poll(() => output('wget -qO- http://web.example/'), { timeout: PATIENCE_MS })
    .toBe(`hello from ${WORLD.web}\n`)
})

it('a cable that is pulled: new connections fail with their reason, and open ones come on again', async () => {
  internet.setCable(false)
  await tell('out', 'said into the void')
  expect(await output(`wget -qO- http://${WORLD.web}/`)).toMatch(/unreachable|No route/)
  // These do not need it.
  await expectEcho('published', 'dialled')
  internet.setCable(true)
  expect(await output(`wget -qO- http://${WORLD.web}/`)).toBe(`hello from ${WORLD.web}\n`)
  await echoKept('out', 'said again')
  expect(await host.peer.run((_, name, kept) => kept[name].text as string, 'out')).toContain('said into the void')
})

it('a frozen shim: connections fail with a typed error, and all goes on once it thaws', {
  timeout: 300_000,
}, async () => {
  const { pid } = await info()
  process.kill(pid as number, 'SIGSTOP')
  const thawed = sleep(FREEZE_MS).then(() => process.kill(pid as number, 'SIGCONT'))
  try {
    await tell('dialled', 'said to ice')
    const waiting = host.sh(box, 'echo waited').catch(error => error)
    const refused = await failure(
      host.peer.run(
        async (runtime, { box, port }) => {
          const connection = (await runtime.get(box)).connect(port, { timeoutMs: 1 })
          await new Promise((resolve, reject) => connection.once('connect', resolve).once('error', reject))
        },
        { box, port: ECHO },
      ),
    )
    expect(refused).toMatchObject({ code: 'PORTAL_LOST', message: expect.stringContaining(`port ${ECHO} of box`) })
    await thawed
    // A command is not waited for as long as a minute.
    expect(await waiting).toMatchObject(FREEZE_MS < 60_000 ? { stdout: 'waited\n' } : { code: 'GUEST_TIMEOUT' })
  } finally {
    await thawed
  }
  await expectEcho('published', 'dialled', 'out')
  expect(await host.peer.run((_, name, kept) => kept[name].text as string, 'dialled')).toContain('said to ice')
  expect(await output(`wget -qO- http://${WORLD.web}/`)).toBe(`hello from ${WORLD.web}\n`)
})

it('a program that watches the box is killed: the others still get its refusals, and nothing of it stays in the shim', async () => {
  const pid = (await info()).pid as number
  const watch = (host: Host) =>
    host.peer.run(async (runtime, box, kept) => {
      const events = (await runtime.get(box)).events()
      kept.refused = []
      events.on('network', event => kept.refused.push(event.address))
      await new Promise(resolve => setTimeout(resolve, 200))
    }, box)
  const refused = (host: Host) => host.peer.run((_, _box, kept) => kept.refused as string[], box)
  const knock = (host: Host, address: string) => host.sh(box, `nc -w 1 ${address} 80 </dev/null; true`)
  await watch(host)
  const descriptors = () => readdirSync(`/proc/${pid}/fd`).length
  await expect.poll(() => knock(host, WORLD.private).then(() => refused(host)), { timeout: 30_000 }).not.toEqual([])
  const before = descriptors()
  const other = await internet.start(home)
  await watch(other)
  await expect
    .poll(() => knock(other, WORLD.shared).then(() => refused(other)), { timeout: 30_000 })
    .toContain(WORLD.shared)
  await other.peer.kill()
  await expect.poll(descriptors, { timeout: 20_000 }).toBeLessThanOrEqual(before)
  await expect
    .poll(() => knock(host, WORLD.metadata).then(() => refused(host)), { timeout: 30_000 })
    .toContain(WORLD.metadata)
  await expectEcho('published', 'dialled', 'out')
})

it('the program that started the box is killed: the box and the clients of its ports go on', async () => {
  await host.peer.kill()
  await expectEcho('published')
  host = await internet.start(home)
  // Its command goes on, too.
  await host.peer.run(async (runtime, box) => {
    const handle = await runtime.get(box)
    const left = await handle.executions()
    if (left.length !== 1) throw new Error(`${left.length} commands`)
    for (const { id } of left) await (await handle.execution(id)).kill('SIGKILL')
  }, box)
  // Of the connections into the box, only the client's is left.
  const established = `netstat -tn | grep ':${ECHO} .*ESTABLISHED' | awk '{ print $4 }' | grep -c ':${ECHO}$'`
  await expect.poll(() => output(established), { timeout: 30_000 }).toBe('1\n')
  await openKept()
  await expectEcho('published', 'dialled', 'out')
})

it('an open connection is a use of the box: its idle time begins when that ends', async () => {
  published?.kill()
  await host.peer.run((_, _box, kept) => kept.stop(), box)
  await host.peer.run(async (runtime, box) => (await runtime.get(box)).update({ idleTimeoutMs: 1_000 }), box)
  await sleep(2_500)
  expect(await host.peer.run((_, _box, kept) => kept.dialled.error?.code ?? null, box)).toBeNull()
  expect(await info()).toMatchObject({ state: 'running' })
  const ended = host.peer.run(async (runtime, box, kept) => {
    kept.close()
    return (await runtime.get(box)).wait()
  }, box)
  expect(await ended).toMatchObject({ state: 'stopped' })
})

it('a connection into a machine that is killed breaks with the reason, and does not just end', async () => {
  await host.peer.run(
    async (runtime, { box, port }) => {
      const handle = await runtime.get(box)
      await handle.update({ idleTimeoutMs: 0 })
      await handle.exec('sh', ['-c', `setsid nc -ll -p ${port} -e cat >/dev/null 2>&1 </dev/null &`])
      await handle.waitForPort(port)
    },
    { box, port: ECHO },
  )
  await openKept()
  await expectEcho('dialled')
  process.kill((await info()).pid as number, 'SIGKILL')
  const error = () => host.peer.run((_, _box, kept) => kept.dialled.error?.code ?? null, box)
  await expect.poll(error, { timeout: 20_000 }).toBe('PORTAL_LOST')
})
