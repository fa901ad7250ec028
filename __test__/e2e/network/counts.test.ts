// What is counted of a box's network, and its limits: what is over them waits, and nothing is lost. A thousand connections at once and ten
// thousand in a row are `npm run soak -- --connections 10000`.
import { execFileSync } from 'node:child_process'
import { beforeAll, expect, it } from 'vitest'
import type { NetworkEvent, NetworkOptions } from '../../../index.mjs'
import { useHomes } from '../../support/homes.js'
import { layout } from '../../support/images.js'
import { type Host, useInternet, WORLD } from '../../support/internet.js'

const homes = useHomes()
const internet = useInternet(homes)
let host: Host
let image: string

beforeAll(async () => {
  image = await layout(homes)
  host = await internet.start(homes.folder())
})

const create = (network: 'default' | NetworkOptions = 'default') => host.create({ image, network })
const output = (id: string, line: string) => host.output(id, line)
const remove = (id: string) => host.peer.run(async (runtime, id) => (await runtime.get(id)).remove({ force: true }), id)

/** The counters of a box. */
async function metrics(id: string) {
  const network = await host.peer.run(async (runtime, id) => (await (await runtime.get(id)).metrics()).network, id)
  if (!network) throw new Error('a box with a network has its counters')
  return network
}

/** The seconds that a line takes, and its output. */
async function timed(id: string, line: string): Promise<[string, number]> {
  const began = performance.now()
  const text = await output(id, line)
  return [text, (performance.now() - began) / 1000]
}

/** Collects refusals of a box on its host. */
async function watch(id: string) {
  await host.peer.run(async (runtime, id, kept) => {
    kept.refusals = []
    kept.events = runtime.events().on('network', event => kept.refusals.push(event))
    await (await runtime.get(id)).metrics()
  }, id)
  return () => host.peer.run((_runtime, _id, kept) => kept.refusals as NetworkEvent[], id)
}

it('counts bytes, packets, connections, queries and refusals of a box, and of all boxes also when they have died', async () => {
  const id = await create()
  const before = await metrics(id)
  await output(id, `wget -qO /dev/null http://web.example/bytes/1000000; wget -qO /dev/null http://${WORLD.metadata}/`)
  const after = await metrics(id)
  expect(after.receivedBytes - before.receivedBytes).toBeGreaterThan(1_000_000)
  expect(after.receivedBytes - before.receivedBytes).toBeLessThan(1_200_000)
  expect(after.sentBytes).toBeGreaterThan(before.sentBytes)
  expect(after.receivedPackets).toBeGreaterThan(before.receivedPackets)
  expect(after.sentPackets).toBeGreaterThan(before.sentPackets)
  expect(after.connectionsTotal - before.connectionsTotal).toBe(1)
  expect(after.refusals - before.refusals).toBe(1)
  expect(after.dnsQueries).toBeGreaterThan(before.dnsQueries)

  // Each way in which a box ends, after bytes that nobody has asked about.
  const totals = () => host.peer.run(async runtime => (await runtime.metrics()).network, null)
  const download = 'wget -qO /dev/null http://web.example/bytes/2000000; sleep 1'
  await output(id, download)
  const { pid } = await host.peer.run(async (runtime, id) => (await runtime.get(id)).info(), id)
  process.kill(pid as number, 'SIGKILL')
  await expect.poll(async () => (await totals()).receivedBytes, { timeout: 20_000 }).toBeGreaterThan(3_000_000)
  await host.peer.run(async (runtime, id) => (await runtime.get(id)).start(), id)
  await output(id, download)
  await remove(id)
  await expect.poll(async () => (await totals()).receivedBytes, { timeout: 20_000 }).toBeGreaterThan(5_000_000)
  expect(await totals()).toMatchObject({ connections: 0, refusals: 1 })
  expect((await totals()).receivedBytes).toBeLessThan(5_600_000)
})

it('bandwidth: a transfer takes as long as it must, each way, and is whole', async () => {
  const id = await create({ bandwidth: { down: 500_000, up: 250_000 } })
  const [down, downSeconds] = await timed(id, 'wget -qO /tmp/file http://web.example/bytes/1000000; wc -c < /tmp/file')
  expect([down.trim(), downSeconds >= 1.7]).toEqual(['1000000', true])
  const up = 'truncate -s 500000 /tmp/file; wget -qO- --post-file=/tmp/file http://web.example/sink'
  const [count, upSeconds] = await timed(id, up)
  expect([count, upSeconds >= 1.7]).toEqual(['500000\n', true])
  // Connections share it, and each gets on.
  const both = 'for i in 1 2; do wget -qO- http://web.example/bytes/500000 | wc -c & done; wait'
  const [counts, seconds] = await timed(id, both)
  expect([counts, seconds >= 1.5]).toEqual(['500000\n500000\n', true])
  expect(await metrics(id)).toMatchObject({ droppedPackets: 0, refusals: 0 })
  await remove(id)
})

it('network pitfalls: many connections: one over the limit waits for a place, and what can not wait is refused with an event', async () => {
  const id = await create({ connections: 3 })
  const refusals = await watch(id)
  const hold = (count: number) =>
    output(id, `for i in $(seq ${count}); do sleep 1000 | nc ${WORLD.web} 7 > /dev/null & echo $! > /tmp/$i; done`)
  await hold(3)
  await expect.poll(async () => (await metrics(id)).connections, { timeout: 20_000 }).toBe(3)
  expect(await output(id, `ping -c 1 -W 5 ${WORLD.web} > /dev/null || echo refused`)).toBe('refused\n')
  await expect.poll(refusals, { timeout: 10_000 }).toMatchObject([{ protocol: 'icmp', rule: 'limit' }])
  const fourth = output(id, `wget -qO- http://${WORLD.web}/`)
  await new Promise(over => setTimeout(over, 1000))
  expect((await internet.seen()).filter(({ kind }) => kind === 'http')).toEqual([])
  await output(id, 'killall nc')
  expect(await fourth).toBe(`hello from ${WORLD.web}\n`)
  await remove(id)
})

it('network pitfalls: many connections: new ones over the rate wait, of every protocol', async () => {
  const id = await create({ newConnectionsPerSecond: 2 })
  const each = (line: string) => `for i in 1 2 3 4 5 6; do ${line} & done; wait`
  const [pages, pageSeconds] = await timed(id, each(`wget -qO- http://${WORLD.web}/`))
  expect(pages).toBe(`hello from ${WORLD.web}\n`.repeat(6))
  expect(pageSeconds).toBeGreaterThan(1.5)
  const [pings, pingSeconds] = await timed(id, each(`ping -c 1 -W 30 ${WORLD.web} | grep -c ' 0% packet loss'`))
  expect(pings).toBe('1\n'.repeat(6))
  expect(pingSeconds).toBeGreaterThan(1.5)
  expect(await metrics(id)).toMatchObject({ connectionsTotal: 12, refusals: 0, droppedPackets: 0 })
  await remove(id)
})

it('network pitfalls: missed wake-ups: a client that is not on the loopback gets megabytes from a published port, also after it has dozed', async () => {
  const id = await create()
  await output(id, 'mkdir /www; truncate -s 8000000 /www/file; httpd -p 80 -h /www')
  const port = await host.peer.run(
    async (runtime, { id, bind }) => (await (await runtime.get(id)).publish(80, { bind })).host,
    { id, bind: WORLD.host },
  )
  const [command = '', ...prefix] = internet.among
  const client = (line: string) =>
    execFileSync(
      command,
      [...prefix, 'sh', '-c', `busybox wget -qO- http://${WORLD.host}:${port}/file | { ${line}; }`],
      {
        encoding: 'utf8',
        timeout: 60_000,
      },
    )
  // At the rates of those who missed wake-ups, 30 to 120 KB/s, it would take minutes.
  expect(client('wc -c').trim()).toBe('8000000')
  expect(
    client('sleep 1; dd bs=100000 count=30 iflag=fullblock 2> /dev/null | wc -c; sleep 1; wc -c').trim().split(/\s+/),
  ).toEqual(['3000000', '5000000'])
  // The same the other way: a slow reader in the box.
  const line =
    'wget -qO- http://web.example/bytes/8000000 | { sleep 1; dd bs=100000 count=30 iflag=fullblock 2> /dev/null | wc -c; sleep 1; wc -c; }'
  expect((await output(id, line)).trim().split(/\s+/)).toEqual(['3000000', '5000000'])
  await remove(id)
})
