// What a box may reach, seen from inside of it: what is closed by default, rules by address, group, name, port and protocol, changes while it
// runs, and how refusals are told. Titles name rows of the list of network pitfalls (`__test__/house/network-pitfalls.test.ts`).
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest'
import type { NetworkEvent, NetworkMetrics, NetworkUpdateOptions } from '../../../index.mjs'
import { networkLayout } from '../../../scripts/image/debian.mjs'
import { useHomes } from '../../support/homes.js'
import { layout } from '../../support/images.js'
import { type Host, useInternet, WORLD } from '../../support/internet.js'
import { Probe } from '../../support/probe.js'

const homes = useHomes()
const internet = useInternet(homes)
let home: string
let host: Host
/** A Debian box whose policy each test sets, and the program in it that tries destinations. */
let box: string
let probe: Probe

beforeAll(async () => {
  home = join(homes.folder(), 'long'.repeat(50))
  host = await internet.start(home)
  box = await host.create({ image: await networkLayout(), network: 'default', memoryMib: 512 })
  probe = await Probe.start(host, box)
  await host.peer.run(async (runtime, id, kept) => {
    kept.seen = []
    kept.events = (await runtime.get(id)).events().on('network', event => kept.seen.push(event))
  }, box)
}, 900_000)
afterAll(() => probe?.end())
beforeEach(async () => {
  await update({ allow: null, deny: [] })
  await refusals()
})

const output = (line: string) => host.output(box, line)
const update = (options: NetworkUpdateOptions) => host.update(box, options)
/** Takes the events since the last call. */
const refusals = () =>
  host.peer.run((_, __, kept) => (kept.seen as NetworkEvent[]).splice(0), null) as Promise<NetworkEvent[]>
const metrics = async () => {
  const found = await host.peer.run(async (runtime, id) => (await (await runtime.get(id)).metrics()).network, box)
  if (!found) throw new Error('a box with a network has its counters')
  return found
}
const seen = async (kind: string) => (await internet.seen()).filter(one => one.kind === kind)

const REFUSED = { tcp: 'ECONNREFUSED', udp: 'EHOSTUNREACH' }
const hello = `hello from ${WORLD.web}\n`
const PATIENT = { timeout: 20_000 }

/** Expects that every `PROTOCOL ADDRESS PORT` is refused. */
async function expectRefused(...targets: string[]): Promise<void> {
  const refused = targets.map(target => [target, target.startsWith('tcp') ? REFUSED.tcp : REFUSED.udp])
  expect(await probe.reach(...targets)).toEqual(Object.fromEntries(refused))
}

/** Expects that every `PROTOCOL ADDRESS PORT` answers. */
async function expectAnswered(...targets: string[]): Promise<void> {
  expect(await probe.reach(...targets)).toEqual(Object.fromEntries(targets.map(target => [target, 'answered'])))
}

/** Expects an event with these fields, which may take its second. */
async function expectEvent(fields: Partial<NetworkEvent>): Promise<void> {
  const got: NetworkEvent[] = []
  const more = async () => {
    got.push(...(await refusals()))
    return got
  }
  const event = expect.objectContaining({ type: 'network', boxId: box, ...fields })
  await expect.poll(more, PATIENT).toContainEqual(event)
}

it('network pitfalls: metadata, private: closed by default in every guise, over TCP and UDP, at once', async () => {
  const closed = [
    WORLD.metadata,
    `::ffff:${WORLD.metadata}`,
    '100.100.100.200',
    '168.63.129.16',
    WORLD.private,
    `::ffff:${WORLD.private}`,
    '172.16.0.1',
    '192.168.0.1',
    WORLD.shared,
    '169.254.1.1',
    WORLD.host,
    'host.boxlite.internal',
  ]
  for (const protocol of ['tcp', 'udp'] as const) {
    await expectRefused(...closed.map(address => `${protocol} ${address} 80`))
    await expectEvent({ address: WORLD.metadata, port: 80, protocol, name: null, rule: 'default' })
  }
  expect(await output(`ping -c 1 -W 5 ${WORLD.metadata}; true`)).toMatch(/Packet filtered|prohibited/i)
  for (const name of ['metadata.google.internal', 'rebound.example', 'metadata.example', 'loopback.example']) {
    expect(await probe.resolve(name), name).toBe('NXDOMAIN')
  }
  await expectEvent({ name: 'rebound.example', address: WORLD.private, port: 0, rule: 'default' })
  expect(await seen('trap')).toEqual([])
})

it('rules by group: `private`, `metadata` and `public`, with ports and protocols', async () => {
  await update({ allow: ['private:80', 'metadata/udp'] })
  await expectAnswered(
    `tcp ${WORLD.private} 80`,
    `udp ${WORLD.private} 80`,
    `tcp ${WORLD.shared} 80`,
    `udp ${WORLD.metadata} 80`,
  )
  await expectRefused(`tcp ${WORLD.private} 443`, `tcp ${WORLD.metadata} 80`, `tcp ${WORLD.web} 80`)
  await update({ allow: ['public'] })
  await expectAnswered(`tcp ${WORLD.web} 80`, `udp ${WORLD.web} 7`)
  await expectRefused(`tcp ${WORLD.private} 80`)
})

it('network pitfalls: documentation ranges: count as public', async () => {
  // What the test's own internet is made of: 198.51.100.0/24 and 203.0.113.0/24.
  await expectAnswered(`tcp ${WORLD.other} 80`)
  expect(await probe.resolve('web.example')).toBe(WORLD.web)
})

it('network pitfalls: name of the host: one alias, closed by default, open by `host` for the ports of the rule', async () => {
  const port = await host.peer.run(async (_, __, kept) => {
    // vitest would replace a dynamic import by one of its own.
    const { createServer } = process.getBuiltinModule('node:net')
    kept.server = createServer(socket => socket.end('of the host')).listen(0, '127.0.0.1')
    await new Promise(bound => kept.server.once('listening', bound))
    return (kept.server.address() as { port: number }).port
  }, null)
  const alias = 'host.boxlite.internal'
  try {
    await expectRefused(`tcp ${alias} ${port}`)
    for (const rule of [`host:${port}`, `${alias}:${port}`, `127.0.0.1:${port}`]) {
      await update({ allow: [rule] })
      expect(await probe.talk(alias, port, ''), rule).toBe('of the host')
      await expectRefused(`tcp ${alias} ${port + 1}`)
    }
    await expectEvent({ port: port + 1, rule: 'default' })
    // The box's own loopback is its own.
    expect(await probe.talk('127.0.0.1', port, '')).toBe('ECONNREFUSED')
  } finally {
    await host.peer.run((_, __, kept) => void kept.server.close(), null)
  }
})

it('network pitfalls: ports in allow lists: a rule holds for its ports and its protocol', async () => {
  await update({ allow: [`${WORLD.web}:80/tcp`, `${WORLD.web}:1-8/udp`, `${WORLD.other}/icmp`] })
  await expectAnswered(`tcp ${WORLD.web} 80`, `udp ${WORLD.web} 7`)
  await expectRefused(`tcp ${WORLD.web} 7`, `udp ${WORLD.web} 80`)
  const ping = await output(`ping -c 1 ${WORLD.other}; ping -c 1 -W 5 ${WORLD.web}; true`)
  expect(ping).toMatch(/1 received[\s\S]*(Packet filtered|prohibited)/i)
  await expectEvent({ address: WORLD.web, port: 0, protocol: 'icmp', rule: 'default' })
})

it('the first rule that matches decides: `deny` in its order, then `allow`, and an empty `allow` allows nothing', async () => {
  const deny = [`${WORLD.other}:80`, '203.0.113.0/24:1-99', WORLD.other]
  await update({ allow: ['203.0.113.0/24', 'api.web.example'], deny })
  await expectRefused(`tcp ${WORLD.other} 80`, `tcp ${WORLD.web} 80`, `tcp ${WORLD.other} 443`)
  const told: string[] = []
  await expect
    .poll(async () => {
      // Not those that an earlier test had by default, and which are told a second later.
      const denied = (await refusals()).filter(({ rule }) => rule !== 'default')
      told.push(...denied.map(({ address, port, rule }) => `${address} ${port} ${rule}`))
      return told
    }, PATIENT)
    .toEqual([`${WORLD.other} 80 ${deny[0]}`, `${WORLD.web} 80 ${deny[1]}`, `${WORLD.other} 443 ${deny[2]}`])
  expect(await probe.https(WORLD.web, null)).toContain(hello)
  await update({ allow: [], deny: [] })
  await expectRefused(`tcp ${WORLD.web} 80`)
  expect(await probe.resolve('web.example')).toBe('NXDOMAIN')
  // What is left out stays.
  await update({ deny: ['web.example'] })
  await update({ allow: null })
  expect(await probe.resolve('web.example')).toBe('NXDOMAIN')
  expect(await probe.http(WORLD.other, 'other.example')).toContain(`hello from ${WORLD.other}`)
})

it('network pitfalls: DNS as a leak: what is not allowed is NXDOMAIN, and no query leaves', async () => {
  await update({ allow: ['*.web.example', WORLD.other] })
  for (const type of ['A', 'AAAA', 'TXT', 'MX', 'HTTPS', 'ANY'] as const) {
    expect(await probe.resolve('secret.attacker.example', type), type).toBe('NXDOMAIN')
  }
  expect(await probe.resolve('secret.attacker.example', 'TXT', 'tcp')).toBe('NXDOMAIN')
  // Nor the name above the rule, nor the name of an address that may not be reached.
  expect(await probe.resolve('web.example')).toBe('NXDOMAIN')
  expect(await probe.resolve('7.8.9.10.in-addr.arpa', 'PTR')).toBe('NXDOMAIN')
  expect(await probe.resolve('api.web.example')).toBe(WORLD.web)
  expect(await probe.http(WORLD.web, 'api.web.example')).toContain(hello)
  expect((await seen('dns')).map(({ detail }) => detail)).toEqual(['api.web.example A udp'])
  await expectEvent({ name: 'secret.attacker.example', address: null, port: 0, rule: 'default' })
})

it('network pitfalls: other DNS transports: other servers, DoT, DoQ, mDNS and LLMNR are refused, and open only by their port', async () => {
  const direct = () => probe.resolve('web.example', 'A', 'udp', WORLD.resolver)
  await expectRefused(`udp ${WORLD.resolver} 53`, `tcp ${WORLD.resolver} 53`, `tcp ${WORLD.web} 853`)
  await expectRefused(...[853, 8853, 5353, 5355].map(port => `udp ${WORLD.web} ${port}`))
  expect(await direct()).toBe('EHOSTUNREACH')
  // A group of hosts is not answered.
  await output(`bash -c 'echo x > /dev/udp/224.0.0.251/5353'`)
  await expectEvent({ address: '224.0.0.251', port: 5353, protocol: 'udp', rule: 'dns' })
  await expectRefused(`tcp ${WORLD.web} 853`)
  await expectEvent({ address: WORLD.web, port: 853, protocol: 'tcp', rule: 'dns' })
  expect(await seen('dns')).toEqual([])
  await update({ allow: ['public', `${WORLD.resolver}:53`, `${WORLD.web}:853`] })
  expect(await direct()).toBe(WORLD.web)
  // Nothing listens there, which the server itself says.
  const target = `udp ${WORLD.web} 853`
  expect(await probe.reach(target)).toEqual({ [target]: 'ECONNREFUSED' })
})

it('network pitfalls: rebinding: answers are filtered, and a new answer opens nothing', async () => {
  await update({ allow: ['moving.example', 'mixed.example'] })
  await internet.setRecords('mixed.example', { A: [WORLD.private, WORLD.other] })
  expect(await probe.resolve('mixed.example')).toBe(WORLD.other)
  await internet.setRecords('moving.example', { A: [WORLD.other] })
  expect(await probe.resolve('moving.example')).toBe(WORLD.other)
  expect(await probe.http(WORLD.other, 'moving.example')).toContain(`hello from ${WORLD.other}`)
  for (const address of [WORLD.private, WORLD.metadata, WORLD.host, '127.0.0.1', '0.0.0.0', WORLD.shared]) {
    await internet.setRecords('moving.example', { A: [address] })
    expect(await probe.resolve('moving.example'), address).toBe('NXDOMAIN')
  }
  await expectRefused(`tcp ${WORLD.private} 80`, `udp ${WORLD.private} 80`)
  expect(await seen('trap')).toEqual([])
  // Together with a rule about the address, the name may point there.
  await internet.setRecords('moving.example', { A: [WORLD.private] })
  await update({ allow: ['moving.example', `${WORLD.private}:80`] })
  expect(await probe.resolve('moving.example')).toBe(WORLD.private)
  expect(await probe.http(WORLD.private, 'moving.example')).toContain('trapped')
})

it('network pitfalls: allow list by name: holds for addresses that this box itself has resolved', async () => {
  await update({ allow: ['fresh.example:7'] })
  await internet.setRecords('fresh.example', { A: [WORLD.other] })
  const options = { image: await layout(homes), network: { allow: ['fresh.example'] } }
  const another = await host.create(options)
  expect((await host.sh(another, 'nslookup fresh.example')).stdout).toContain(WORLD.other)
  const target = `tcp ${WORLD.other} 7`
  await expectRefused(target)
  await expectEvent({ address: WORLD.other, port: 7, rule: 'default' })
  expect(await probe.resolve('fresh.example')).toBe(WORLD.other)
  expect(await probe.talk(WORLD.other, 80, '')).toBe('ECONNREFUSED')
  expect(await probe.hold(WORLD.other, 7)).toBe('x\n')
  await host.peer.run((runtime, id) => runtime.remove(id, { force: true }), another)
})

it('network pitfalls: allow list by name: holds where SNI and Host name the host', async () => {
  await update({ allow: ['web.example'] })
  expect(await probe.resolve('web.example')).toBe(WORLD.web)
  expect(await probe.https(WORLD.web, 'web.example')).toContain(hello)
  expect(await probe.http(WORLD.web, 'web.example', 'web.example')).toMatch(/hello[\s\S]*hello/)
  const forbidden = await probe.http(WORLD.web, 'other.example')
  expect(forbidden).toMatch(/^HTTP\/1\.1 403 Forbidden\r\n/)
  expect(forbidden).toContain('The network policy of this box refuses other.example, port 80.\nRule: default\n')
  await expectEvent({ address: WORLD.web, port: 80, protocol: 'tcp', name: 'other.example', rule: 'default' })
  // A later request of a connection, an address as Host, and what only looks like the name.
  expect(await probe.http(WORLD.web, 'web.example', 'other.example')).toMatch(/hello[\s\S]*403 Forbidden/)
  for (const name of [WORLD.web, 'web.example@other.example', 'web.example.other.example']) {
    expect(await probe.http(WORLD.web, name), name).toMatch(/^HTTP\/1\.1 403 Forbidden\r\n/)
  }
  // SNI of another name, and none.
  expect(await probe.https(WORLD.web, 'other.example')).toContain('ACCESS_DENIED')
  await expectEvent({ address: WORLD.web, port: 443, protocol: 'tcp', name: 'other.example', rule: 'default' })
  expect(await probe.https(WORLD.web, null)).toContain('ACCESS_DENIED')
  // Neither TLS nor HTTP.
  expect(await probe.talk(WORLD.web, 80, 'hello\r\n')).toBe('ECONNRESET')
  const reached = (await internet.seen()).filter(({ kind }) => kind !== 'dns')
  expect(reached.map(({ kind, detail }) => `${kind} ${detail}`)).toEqual([
    'tls web.example',
    'https GET web.example /',
    ...Array(3).fill('http GET web.example /'),
  ])
})

it('network pitfalls: addresses shared by a CDN: SNI and Host decide, for what is allowed and for what is refused', async () => {
  // api.web.example and web.example have one address.
  for (const rules of [{ allow: ['web.example'] }, { allow: null, deny: ['api.web.example'] }]) {
    await update(rules)
    expect(await probe.resolve('web.example')).toBe(WORLD.web)
    expect(await probe.https(WORLD.web, 'web.example')).toContain(hello)
    expect(await probe.https(WORLD.web, 'api.web.example')).toContain('ACCESS_DENIED')
    expect(await probe.http(WORLD.web, 'web.example')).toContain(hello)
    expect(await probe.http(WORLD.web, 'api.web.example')).toContain('403 Forbidden')
  }
  await expectEvent({ address: WORLD.web, port: 443, name: 'api.web.example', rule: 'api.web.example' })
  expect((await seen('tls')).map(({ detail }) => detail)).toEqual(['web.example', 'web.example'])
})

it('network pitfalls: QUIC: refused at once where a name decides, so that programs use TCP', async () => {
  const quic = `udp ${WORLD.web} 443`
  expect(await probe.reach(quic)).toEqual({ [quic]: 'answered' })
  await update({ allow: ['web.example', 'web.example:443/udp'] })
  expect(await probe.resolve('web.example')).toBe(WORLD.web)
  await expectRefused(quic)
  await expectEvent({ address: WORLD.web, port: 443, protocol: 'udp', name: 'web.example', rule: 'quic' })
})

it('a policy that changes while it runs ends the connections that it refuses', async () => {
  expect(await probe.hold(WORLD.web, 7)).toBe('x\n')
  await update({ allow: ['other.example'] })
  expect(await probe.held()).toBe('ECONNRESET')
  await expectRefused(`tcp ${WORLD.web} 7`)
  expect(await probe.resolve('other.example')).toBe(WORLD.other)
  expect(await probe.http(WORLD.other, 'other.example')).toContain(`hello from ${WORLD.other}`)
})

it('network pitfalls: hidden refusals: each is counted in an event, at most one a second for each destination', async () => {
  const [before, began] = [await metrics(), performance.now()]
  await output(`python3 -c '
import socket, time
for _ in range(200):
    s = socket.socket(); s.connect_ex(("172.16.9.9", 22)); s.close(); time.sleep(0.01)'`)
  const events: NetworkEvent[] = []
  const count = async () => {
    // Not those of an earlier test, which are told a second later.
    events.push(...(await refusals()).filter(({ address }) => address === '172.16.9.9'))
    return events.reduce((sum, { count }) => sum + count, 0)
  }
  await expect.poll(count, PATIENT).toBe(200)
  expect(events.length).toBeGreaterThan(1)
  expect(events.length).toBeLessThanOrEqual((performance.now() - began) / 1000 + 2)
  for (const event of events) {
    expect(event).toMatchObject({ port: 22, protocol: 'tcp', name: null, rule: 'default' })
  }
  expect((await metrics()).refusals - before.refusals).toBe(200)
})

it('counts what goes through the network, for the box, the runtime and Prometheus', async () => {
  const before = await metrics()
  expect(await output('curl -sS http://web.example/bytes/1000000 | wc -c')).toBe('1000000\n')
  await expectRefused(`tcp ${WORLD.private} 80`)
  const after = await metrics()
  const more = (name: keyof NetworkMetrics) => after[name] - before[name]
  expect(more('receivedBytes')).toBeGreaterThan(1_000_000)
  expect(more('receivedBytes')).toBeLessThan(1_200_000)
  expect(more('sentBytes')).toBeGreaterThan(1000)
  expect(more('receivedPackets')).toBeGreaterThan(20)
  expect(more('sentPackets')).toBeGreaterThan(20)
  expect(more('connectionsTotal')).toBe(1)
  expect(more('refusals')).toBe(1)
  expect(more('dnsQueries')).toBeGreaterThan(0)
  const [total, text] = await host.peer.run(
    async runtime => [(await runtime.metrics()).network, await runtime.prometheus()] as const,
    null,
  )
  expect(total.refusals).toBeGreaterThanOrEqual(after.refusals)
  expect(text).toContain(`\nboxlite_network_refusals_total ${total.refusals}\n`)
  expect(text).toMatch(new RegExp(`^boxlite_box_network_refusals_total\\{.*${box}.*\\} ${after.refusals}$`, 'm'))
})

it('names with addresses of the user’s own are known, and rules by name hold for them', async () => {
  const hosts = { 'db.internal': WORLD.private }
  const options = { image: await layout(homes), network: { allow: ['db.internal:80'], dns: { hosts } } }
  const id = await host.create(options)
  const { stdout } = await host.sh(id, 'wget -qO- http://db.internal/; wget -qO- http://db.internal:443/ 2>&1; true')
  expect(stdout).toMatch(/^trapped.*Connection refused/)
  await host.peer.run((runtime, id) => runtime.remove(id, { force: true }), id)
})

it('network pitfalls: socket path: the network of a box whose home has a long path works', async () => {
  // sockaddr_un has room for 108 bytes.
  expect(home.length).toBeGreaterThan(200)
  await expectAnswered(`tcp ${WORLD.web} 80`)
})
