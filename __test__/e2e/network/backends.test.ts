// The conformance of the backends of a box's network: the same cases for each, as programs of Debian see them. Where backends truly differ,
// `BACKENDS` has a row of what is expected, and docs/network.md ("Backends") says it with the reason. What only the gateway has is in the
// other files of this folder. The last part is about gvproxy alone, which is a program that can be killed.
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { BoxOptions, NetworkEvent, NetworkMetrics, NetworkOptions, NetworkUpdateOptions } from '../../../index.mjs'
import { networkLayout } from '../../../scripts/image/debian.mjs'
import { gvproxyProgram } from '../../../scripts/setup/gvproxy.mjs'
import { useHomes } from '../../support/homes.js'
import { layout } from '../../support/images.js'
import { type Host, useInternet, WORLD } from '../../support/internet.js'
import { machinesOf, processesOf } from '../../support/leaks.js'
import { Probe } from '../../support/probe.js'

/** How often the shim is killed; `npm run chaos -- --network` asks for more. */
const KILLS = Number(process.env.BOXLITE_CHAOS_KILLS ?? 1)
const PATIENT = { timeout: 30_000 }
/** What an error says of a backend and of what it is asked for. */
const CANT = "can't do this"
/** The addresses of every box's link, whatever its backend. */
const ROUTER = '192.168.127.1'
const HOST = '192.168.127.254'

const BACKENDS = [
  {
    backend: 'gateway',
    address: '192.168.127.2',
    /** What a program sees of a datagram to a port that nobody listens at. */
    unheard: 'ECONNREFUSED',
    /** What comes from a server that answers after the box has ended its direction. */
    afterEnd: '1000\n',
    /** What ping says of a host outside that answers. */
    ping: /1 received/,
    /** Whether a box may be allowed this machine while it runs. */
    opensHost: true,
    /** What it can't do, besides what only the gateway can. */
    refuses: [],
    /** Whether a connection that new rules refuse ends at once, and not only when it carries something. */
    endsAtOnce: true,
  },
  {
    backend: 'gvproxy',
    address: '192.168.127.3',
    unheard: 'TimeoutError',
    afterEnd: '',
    ping: /Packet filtered[\s\S]*0 received/,
    opensHost: true,
    refuses: [{ subnet: '10.213.5.0/24' }],
    endsAtOnce: false,
  },
  {
    backend: 'libslirp',
    address: '192.168.127.2',
    unheard: 'ECONNREFUSED',
    afterEnd: '1000\n',
    ping: /1 received/,
    opensHost: false,
    refuses: [{ mtu: 65_535 }],
    endsAtOnce: false,
  },
] as const

/** What only the gateway can do. */
const ONLY_GATEWAY: NetworkOptions[] = [
  { allow: ['web.example'] },
  { deny: ['*.web.example'] },
  { dns: { servers: [WORLD.second] } },
  { dns: { hosts: { 'db.internal': WORLD.web } } },
  { proxy: 'http://proxy.example:3128' },
  { ipv6: true },
  { connections: 100 },
  { newConnectionsPerSecond: 100 },
  { bandwidth: { up: 100_000 } },
]

const homes = useHomes()
const internet = useInternet(homes)
let home: string
let host: Host
let image: string
/** A port of the host's 127.0.0.1 at which a server greets. */
let served: number

beforeAll(async () => {
  image = await networkLayout()
  home = homes.folder()
  host = await internet.start(home)
  await nameProgram(await gvproxyProgram())
  served = await host.peer.run(async () => {
    const { createServer } = process.getBuiltinModule('node:net')
    const server = createServer(socket => socket.end('of the host'))
      .listen(0, '127.0.0.1')
      .unref()
    await new Promise(bound => server.once('listening', bound))
    return (server.address() as { port: number }).port
  }, null)
}, 900_000)

/** Names the program of gvproxy for the boxes that start from now on. */
const nameProgram = (path: string) =>
  host.peer.run((_, path) => {
    process.env.BOXLITE_GVPROXY = path
  }, path)
/** Collects the network events of a box from now on. */
const follow = (id: string) =>
  host.peer.run(async (runtime, id, kept) => {
    kept[`seen of ${id}`] = []
    kept[`events of ${id}`] = (await runtime.get(id)).events().on('network', event => kept[`seen of ${id}`].push(event))
  }, id)
const events = (id: string) =>
  host.peer.run((_, id, kept) => kept[`seen of ${id}`] as NetworkEvent[], id) as Promise<NetworkEvent[]>
const remove = (id: string) => host?.peer.run(async (runtime, id) => runtime.remove(id, { force: true }), id)
/** Makes a box and removes it. Returns `created`, or the error with its hint. */
const create = (options: BoxOptions) =>
  host.peer.run(async (runtime, options) => {
    try {
      await (await runtime.create(options)).remove()
      return 'created'
    } catch (error) {
      const { code, message, hint } = error as { code: string; message: string; hint: string }
      return `${code} ${message} ${hint}`
    }
  }, options)

describe.each(BACKENDS)('$backend', ({ backend, address, ...differs }) => {
  let box: string
  let probe: Probe
  const output = async (line: string) => (await host.sh(box, `{ ${line}; } 2>&1`)).stdout
  const update = (options: NetworkUpdateOptions) =>
    host.peer.run(
      async (runtime, { id, options }) => {
        await (await runtime.get(id)).network.update(options)
      },
      { id: box, options },
    )
  const metrics = async (): Promise<NetworkMetrics> => {
    const found = await host.peer.run(async (runtime, id) => (await (await runtime.get(id)).metrics()).network, box)
    if (!found) throw new Error('a box with a network has its counters')
    return found
  }

  beforeAll(async () => {
    box = await host.create({ image, network: { backend }, memoryMib: 512, ports: [8080] })
    await follow(box)
    probe = await Probe.start(host, box)
  })
  afterAll(async () => {
    await probe?.end()
    await remove(box)
  })

  it('has an address, a router and a name server, and DHCP offers the same', async () => {
    const lines = 'ip -4 -o address show eth0; ip route; cat /etc/resolv.conf /etc/hosts /sys/class/net/eth0/mtu'
    const shown = await output(lines)
    expect(shown).toContain(` ${address}/24 `)
    expect(shown).toContain(`default via ${ROUTER} dev eth0`)
    expect(shown).toContain(`nameserver ${ROUTER}\nsearch corp.example\n`)
    expect(shown).toContain(`${HOST}\thost.boxlite.internal\n`)
    expect(shown).toMatch(/\n1500\n$/)
    expect(await probe.lease()).toBe(`${address} ${ROUTER} ${ROUTER}`)
  })

  it('resolves names over UDP and TCP, and knows which are not there', async () => {
    expect(await probe.resolve('web.example', 'A', 'udp')).toBe(WORLD.web)
    expect(await probe.resolve('web.example', 'A', 'tcp')).toBe(WORLD.web)
    expect(await probe.resolve('nothing.example')).toBe('NXDOMAIN')
  })

  it('reaches servers by address, by name, by alias and by a short name', async () => {
    const urls = [WORLD.web, 'web.example', 'alias.example', 'db'].map(name => `http://${name}/`)
    expect(await output(`curl -sS ${urls.join(' ')}`)).toBe(`hello from ${WORLD.web}\n`.repeat(4))
  })

  it('moves megabytes each way, unchanged', async () => {
    expect(await probe.exchange(WORLD.web, 7, 4_000_000)).toBe(true)
  })

  it('fails at once where a server refuses', async () => {
    expect(await probe.reach(`tcp ${WORLD.web} 81`)).toEqual({ [`tcp ${WORLD.web} 81`]: 'ECONNREFUSED' })
  })

  it(`passes on each end of a connection: after the box's own comes ${JSON.stringify(differs.afterEnd)}`, async () => {
    expect(await probe.halfClose(WORLD.web, 9)).toBe(differs.afterEnd)
  })

  it('exchanges datagrams, also those that are longer than a packet', async () => {
    const sizes = [1, 1472, 1473, 9000, 40_000]
    expect(await probe.datagrams(WORLD.web, 7, sizes)).toEqual(sizes.map(() => 'same'))
  })

  it(`a datagram to a port that nobody listens at: ${differs.unheard}`, async () => {
    expect(await probe.datagrams(WORLD.web, 99, [1], 1000)).toEqual([differs.unheard])
  })

  it('pings its router, and nobody answers in the place of another', async () => {
    expect(await output(`ping -c 1 -W 10 ${ROUTER}`)).toContain('1 received')
    expect(await output(`ping -c 1 -W 10 ${WORLD.web}`)).toMatch(differs.ping)
    expect(await output(`ping -c 1 -W 1 ${WORLD.blackHole}`)).toContain('0 received')
  })

  it('publishes ports, at the start and later, of services on 127.0.0.1 too; a port of nobody is a reset', async () => {
    await probe.serve('tcp', '127.0.0.1', 8080)
    await probe.serve('tcp', '0.0.0.0', 8081)
    await probe.serve('udp', '127.0.0.1', 5353)
    const answers = await host.peer.run(async (runtime, id) => {
      const { connect } = process.getBuiltinModule('node:net')
      const { createSocket } = process.getBuiltinModule('node:dgram')
      const { text } = process.getBuiltinModule('node:stream/consumers')
      const box = await runtime.get(id)
      const count = (port: number) => {
        const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true })
        socket.end(Buffer.alloc(100_000))
        return text(socket).catch(({ code }) => code)
      }
      const echoed = async (port: number) => {
        const client = createSocket('udp4')
        const timer = setInterval(() => client.send('ping', port, '127.0.0.1'), 200)
        const answer = await new Promise(resolve => client.once('message', data => resolve(String(data))))
        clearInterval(timer)
        client.close()
        return answer
      }
      const [atStart] = await box.ports()
      const [later, nobody] = [await box.publish(8081), await box.publish(9)]
      const datagrams = await box.publish(5353, { protocol: 'udp' })
      const answers = {
        atStart: await count(atStart?.host ?? 0),
        later: await count(later.host),
        datagrams: await echoed(datagrams.host),
        nobody: await count(nobody.host),
      }
      for (const port of [8081, 9]) await box.unpublish(port)
      return answers
    }, box)
    expect(answers).toEqual({ atStart: '100000', later: '100000', datagrams: 'ping', nobody: 'ECONNRESET' })
  })

  it('is closed to this machine, to private networks and to metadata services, at once, and tells it', async () => {
    const closed = [`${HOST} ${served}`, `${WORLD.host} 80`, `${WORLD.private} 80`, `${WORLD.metadata} 80`]
    const expected = [
      ...closed.map(to => [`tcp ${to}`, 'ECONNREFUSED']),
      ...closed.map(to => [`udp ${to}`, 'EHOSTUNREACH']),
    ]
    await internet.seen()
    expect(await probe.reach(...expected.map(([to = '']) => to))).toEqual(Object.fromEntries(expected))
    expect((await internet.seen()).filter(({ kind }) => kind === 'trap')).toEqual([])
    for (const protocol of ['tcp', 'udp']) {
      const refused = expect.objectContaining({ address: WORLD.metadata, port: 80, protocol, rule: 'default' })
      await expect.poll(() => events(box), PATIENT).toContainEqual(refused)
    }
  })

  it('has other rules while it runs, which hold for what is open too', async () => {
    const other = `tcp ${WORLD.other} 80`
    expect(await probe.hold(WORLD.other, 7)).toBe('x\n')
    await update({ deny: [`${WORLD.other}/32`] })
    expect(await probe.held({ speaks: !differs.endsAtOnce })).toBe('ECONNRESET')
    expect(await probe.reach(other)).toEqual({ [other]: 'ECONNREFUSED' })
    const [inside, ofHost] = [`tcp ${WORLD.private} 80`, `tcp ${HOST} ${served}`]
    await update({ deny: [], allow: ['public', `${WORLD.private}/32:80`] })
    expect(await probe.reach(inside, other)).toEqual({ [inside]: 'answered', [other]: 'answered' })
    const opened = update({ allow: ['public', `host:${served}`] })
    if (differs.opensHost) {
      await opened
      expect(await probe.reach(ofHost)).toEqual({ [ofHost]: 'answered' })
    } else {
      await expect(opened).rejects.toMatchObject({ code: 'NETWORK_FAILED', message: expect.stringContaining(CANT) })
    }
    await update({ allow: null })
  })

  it('counts the same: each connection, flow, query and refusal once, and bytes each way', async () => {
    const before = await metrics()
    await probe.exchange(WORLD.web, 7, 100_000)
    await probe.datagrams(WORLD.web, 7, [1, 1, 1])
    await probe.resolve('web.example')
    await probe.talk(WORLD.private, 80, '')
    const after = await metrics()
    const more = (key: keyof NetworkMetrics) => after[key] - before[key]
    expect([more('connectionsTotal'), more('dnsQueries'), more('refusals')]).toEqual([2, 1, 1])
    for (const key of ['sentBytes', 'receivedBytes'] as const) {
      expect(more(key)).toBeGreaterThan(100_000)
      expect(more(key)).toBeLessThan(150_000)
    }
    expect(await probe.hold(WORLD.web, 7)).toBe('x\n')
    expect((await metrics()).connections).toBeGreaterThan(0)
  })

  it(`what only the gateway can do is ${backend === 'gateway' ? 'taken' : 'refused at once, and the hint names it'}`, async () => {
    const secrets = [{ env: 'KEY', value: 'hunter2', hosts: ['web.example'] }]
    const networks = [...ONLY_GATEWAY, ...differs.refuses].map(options => ({ network: { backend, ...options } }))
    for (const options of [...networks, { network: { backend }, secrets }]) {
      const said = await create({ image, ...options })
      if (backend === 'gateway') expect(said, JSON.stringify(options)).toBe('created')
      else expect(said, JSON.stringify(options)).toMatch(new RegExp(`^INVALID_ARGUMENT .*${CANT}.*\`gateway\``))
    }
  })
})

describe('gvproxy is a program', () => {
  let box: string
  const output = async (line: string) => (await host.sh(box, `{ ${line}; } 2>&1`)).stdout
  const fetched = () => output('wget -qO- http://web.example/')
  const info = () => host.peer.run(async (runtime, id) => (await runtime.get(id)).info(), box)
  /** The pids of its processes, which work in the folders of their boxes. */
  const programs = () =>
    processesOf(homes.base)
      .filter(line => line.includes('-listen-qemu'))
      .map(line => Number(/^process (\d+)/.exec(line)?.[1]))
  /** Its sockets: those that somebody has, and those that are files. */
  const sockets = () => [
    ...(internet.onHost('cat', '/proc/net/unix').match(/\S*gvproxy\S*/g) ?? []),
    ...readdirSync(join(home, 'boxes', box)).filter(name => name.startsWith('gvproxy')),
  ]

  beforeAll(async () => {
    box = await host.create({ image: await layout(homes), network: { backend: 'gvproxy' }, memoryMib: 128 })
    await follow(box)
  })
  afterAll(() => remove(box))

  it('opens no port of this machine, and the box can not ask it to', async () => {
    expect(programs()).toHaveLength(1)
    expect(internet.onHost('ss', '-Hltnp')).not.toContain('gvproxy')
    expect(await output(`wget -qO- http://${ROUTER}/services/forwarder/all`)).toContain('Connection refused')
  })

  it('is killed: that is told, the box goes on, what was open ends, and the network comes back', async () => {
    // What nc has not read when its connection ends it never tells, so it ends with it.
    const line = `while sleep 0.2; do echo x; done | nc ${WORLD.web} 7 > /tmp/echo; touch /tmp/over`
    await host.sh(box, `{ ${line}; } > /dev/null 2>&1 & while [ ! -s /tmp/echo ]; do sleep 0.1; done`)
    const [before = 0] = programs()
    process.kill(before, 'SIGKILL')
    expect(await output('echo $((6 * 7))')).toBe('42\n')
    const told = expect.objectContaining({ address: null, port: 0, rule: 'backend' })
    await expect.poll(() => events(box), PATIENT).toContainEqual(told)
    await expect.poll(fetched, PATIENT).toBe(`hello from ${WORLD.web}\n`)
    await expect.poll(() => output('ls /tmp/over'), PATIENT).toBe('/tmp/over\n')
    expect(programs()).toHaveLength(1)
    expect(programs()).not.toEqual([before])
  })

  it(
    `ends with its shim, also one that is killed, and the next start finds its place empty (${KILLS} kills)`,
    async () => {
      for (let kill = 1; kill <= KILLS; kill++) {
        process.kill((await info()).pid as number, 'SIGKILL')
        await expect.poll(programs, PATIENT).toEqual([])
        // A command that is begun before the runtime has seen the shim's end fails with it.
        await expect.poll(async () => (await info()).state, PATIENT).toBe('failed')
        expect(await fetched(), `after kill ${kill}`).toBe(`hello from ${WORLD.web}\n`)
        expect(programs()).toHaveLength(1)
      }
      await host.peer.run(async (runtime, id) => (await runtime.get(id)).stop(), box)
      expect([programs(), sockets()]).toEqual([[], []])
    },
    120_000 + KILLS * 30_000,
  )

  it('ends with the program that has the box, also one that is killed', async () => {
    await fetched()
    await host.peer.kill()
    await expect.poll(() => [...programs(), ...machinesOf(home)], PATIENT).toEqual([])
    host = await internet.start(home)
    expect((await info()).state).toBe('stopped')
    expect(sockets()).toEqual([])
  })

  it('is not there: the start says so, with a remedy', async () => {
    await nameProgram('/nowhere/gvproxy')
    const start = host.peer.run(async (runtime, id) => (await runtime.get(id)).start(), box)
    await expect(start).rejects.toMatchObject({ code: 'NETWORK_FAILED' })
    await expect(start).rejects.toThrow("BOXLITE_GVPROXY names `/nowhere/gvproxy`, which can't be run")
  })
})
