// A box on a host that has an IPv6 route: what it reaches by IPv6, and that its policy holds there as well. `out.test.ts` has a host without
// such a route.
import { afterAll, beforeAll, expect, it } from 'vitest'
import type { NetworkUpdateOptions } from '../../../index.mjs'
import { networkLayout } from '../../../scripts/image/debian.mjs'
import { useHomes } from '../../support/homes.js'
import { type Host, useInternet, WORLD } from '../../support/internet.js'
import { Probe } from '../../support/probe.js'

const homes = useHomes()
const internet = useInternet(homes, { ipv6: true })
let host: Host
let box: string
let probe: Probe
/** What the first command in the box has written. */
let first: string

beforeAll(async () => {
  host = await internet.start(homes.folder())
  box = await host.create({ image: await networkLayout(), network: 'default', memoryMib: 512 })
  first = await output(`curl -sS http://[${WORLD.web6}]/`)
  probe = await Probe.start(host, box)
}, 900_000)
afterAll(() => probe?.end())

const output = (line: string) => host.output(box, line)
const update = (options: NetworkUpdateOptions) => host.update(box, options)
const hello = `hello from ${WORLD.web6}\n`
const web = (port: number) => `tcp ${WORLD.web6} ${port}`

it('network pitfalls: IPv6 tentative: servers are reached from the first moment', async () => {
  expect(first).toBe(hello)
  expect(await output('ip -6 address show scope global')).toMatch(/inet6 fd[\da-f:]+\/64 scope global(?! tentative)/)
})

it('TCP, UDP, ping and names', async () => {
  expect(await probe.resolve('both.example', 'AAAA')).toBe(WORLD.web6)
  expect(await probe.http('both.example', 'both.example')).toContain('hello from ')
  expect(await probe.http('six.example', 'six.example')).toContain(hello)
  expect(await probe.reach(`udp ${WORLD.web6} 7`)).toEqual({ [`udp ${WORLD.web6} 7`]: 'answered' })
  expect(await output(`ping -c 1 ${WORLD.web6}`)).toContain('1 received')
  expect(await output('curl -sS http://six.example/bytes/3000000 | wc -c')).toBe('3000000\n')
})

it('network pitfalls: metadata, private: unique local, link-local and translated addresses are closed, at once', async () => {
  const closed = [
    WORLD.uniqueLocal,
    WORLD.translated,
    WORLD.translatedMetadata,
    'fd00:ec2::254',
    // 6to4 and Teredo, which carry 10.9.8.7.
    '2002:a09:807::1',
    '2001:0:a09:807::1',
    '2001:db8:1::2',
    await probe.resolve('host.boxlite.internal', 'AAAA'),
  ]
  const tcp = closed.map(address => `tcp ${address} 80`)
  expect(await probe.reach(...tcp)).toEqual(Object.fromEntries(tcp.map(target => [target, 'ECONNREFUSED'])))
  // ICMPv6's "administratively prohibited" is EACCES in Linux, and IPv4's is EHOSTUNREACH.
  const udp = closed.map(address => `udp ${address} 80`)
  expect(await probe.reach(...udp)).toEqual(Object.fromEntries(udp.map(target => [target, 'EACCES'])))
  await internet.setRecords('closed.example', { AAAA: [WORLD.uniqueLocal, WORLD.translated, '::1', '::ffff:10.9.8.7'] })
  expect(await probe.resolve('closed.example', 'AAAA')).toBe('NXDOMAIN')
  expect((await internet.seen()).filter(({ kind }) => kind === 'trap')).toEqual([])
})

it('rules about networks, names and ports hold for IPv6', async () => {
  await update({ allow: ['[2001:db8:2::/48]:80/tcp'] })
  expect(await probe.reach(web(80), web(7))).toEqual({ [web(80)]: 'answered', [web(7)]: 'ECONNREFUSED' })
  await update({ allow: null, deny: [WORLD.web6] })
  expect(await probe.reach(web(80))).toEqual({ [web(80)]: 'ECONNREFUSED' })
  expect(await probe.resolve('both.example', 'AAAA')).toBe('NXDOMAIN')
  await update({ allow: ['six.example'], deny: [] })
  expect(await probe.resolve('six.example', 'AAAA')).toBe(WORLD.web6)
  expect(await probe.http(WORLD.web6, 'six.example')).toContain(hello)
  expect(await probe.http(WORLD.web6, 'both.example')).toContain('403 Forbidden')
  expect(await probe.https(WORLD.web6, 'six.example')).toContain(hello)
  expect(await probe.https(WORLD.web6, 'both.example')).toContain('ACCESS_DENIED')
  await update({ allow: [`${WORLD.uniqueLocal}`] })
  expect(await probe.http(WORLD.uniqueLocal, 'any')).toContain('trapped')
})
