// The link of a box on hosts that are not like others: one whose own link is narrow or slow, and one on which other programs have taken the
// usual networks. Titles name rows of the list of network pitfalls (`__test__/house/network-pitfalls.test.ts`).
import { afterAll, beforeAll, expect, it } from 'vitest'
import type { NetworkOptions } from '../../../index.mjs'
import { networkLayout } from '../../../scripts/image/debian.mjs'
import { useHomes } from '../../support/homes.js'
import { layout } from '../../support/images.js'
import { type Host, useInternet, WORLD } from '../../support/internet.js'

const homes = useHomes()
const internet = useInternet(homes)
let host: Host
let box: string

beforeAll(async () => {
  host = await internet.start(homes.folder())
  box = await host.create({ image: await networkLayout(), network: 'default', memoryMib: 512 })
}, 900_000)

// It has written to its disk, whose clusters would be leaked if it were killed.
afterAll(() => host.peer.run(async (runtime, id) => (await runtime.get(id)).stop(), box))

const output = (line: string) => host.output(box, line)

/** What a line writes in a box of its own. */
async function outputOf(network: NetworkOptions, line: string): Promise<string> {
  const id = await host.create({ image: await layout(homes), network })
  const stdout = await host.output(id, line)
  await host.peer.run((runtime, id) => runtime.remove(id, { force: true }), id)
  return stdout
}

it('network pitfalls: MTU: 1500 on any host, settable, and nothing is lost where less fits further on', async () => {
  // As a tunnel has it.
  internet.setMtu(1380)
  try {
    expect(await output('cat /sys/class/net/eth0/mtu')).toBe('1500\n')
    expect(await output('curl -sS http://web.example/bytes/1000000 | wc -c')).toBe('1000000\n')
    expect(await output('head -c 1000000 /dev/zero | curl -sS -T - http://web.example/sink')).toBe('1000000\n')
    expect(await output(`ping -c 1 -W 20 -s 1400 ${WORLD.web}`)).toContain('1 received')
    // One that does not fit even here and may not be divided is told that, not lost.
    expect(await output(`ping -c 1 -W 5 -M do -s 1480 ${WORLD.web}; true`)).toContain('message too long, mtu=1500')
  } finally {
    internet.setMtu(1500)
  }
  expect(await outputOf({ mtu: 1380 }, 'cat /sys/class/net/eth0/mtu; wget -qO- http://web.example/')).toBe(
    `1380\nhello from ${WORLD.web}\n`,
  )
})

it('network pitfalls: missed wake-ups and buffers against queue: a slow link carries what it can, both ways', {
  timeout: 240_000,
}, async () => {
  // 8 Mbit/s out of the host; what misses a wake-up moves a few packets a second.
  internet.onHost(
    'tc',
    'qdisc',
    'add',
    'dev',
    'eth0',
    'root',
    'tbf',
    'rate',
    '8mbit',
    'burst',
    '16kb',
    'latency',
    '50ms',
  )
  try {
    const began = performance.now()
    expect(await output('head -c 2500000 /dev/zero | curl -sS -T - http://web.example/sink')).toBe('2500000\n')
    const seconds = (performance.now() - began) / 1000
    expect(seconds).toBeGreaterThan(2)
    expect(seconds).toBeLessThan(20)
    // A client of the box whose answers leave by the same link.
    const port = await host.peer.run(async (runtime, id, kept) => {
      const box = await runtime.get(id)
      await box.exec('sh', ['-c', 'mkdir /www && head -c 1000000 /dev/zero > /www/large'], { check: true })
      kept.server = box.spawn('python3', ['-m', 'http.server', '-d', '/www', '8000'], { stdin: 'none' })
      await box.waitForPort(8000, { timeoutMs: 60_000 })
      return (await box.publish(8000, { bind: '0.0.0.0' })).host
    }, box)
    const asked = performance.now()
    expect(await internet.get(`http://${WORLD.host}:${port}/large`)).toBe(1_000_000)
    expect((performance.now() - asked) / 1000).toBeLessThan(20)
  } finally {
    internet.onHost('tc', 'qdisc', 'del', 'dev', 'eth0', 'root')
    await host.peer.run((_, __, kept) => kept.server?.kill('SIGKILL'), null)
  }
})

it('network pitfalls: address pools: a network that the host has a route to is left to it', async () => {
  const address = `ip -4 address show eth0 | grep -o 'inet [0-9.]*'`
  expect(await output(address)).toBe('inet 192.168.127.2\n')
  internet.onHost('ip', 'route', 'add', '192.168.0.0/16', 'via', WORLD.router)
  internet.onHost('ip', 'route', 'add', '10.88.77.0/24', 'via', WORLD.router)
  try {
    const got = await outputOf({}, `${address}; wget -qO- http://web.example/`)
    expect(got).toBe(`inet 172.29.77.2\nhello from ${WORLD.web}\n`)
  } finally {
    internet.onHost('ip', 'route', 'del', '192.168.0.0/16')
    internet.onHost('ip', 'route', 'del', '10.88.77.0/24')
  }
  expect(await outputOf({ subnet: '10.77.0.0/24' }, address)).toBe('inet 10.77.0.2\n')
})
