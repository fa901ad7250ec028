// Rung 3: the network of a box on libkrun, out and in. It is started by network.mjs in namespaces of its own, to which it joins the tests'
// internet by a cable. The box is busybox', whose programs are enough for what differs between engines: how frames come and go. What
// the gateway decides is tried in full on QEMU (`__test__/e2e/network`).
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { buffer } from 'node:stream/consumers'
import { after, before, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { Runtime } from '../../index.mjs'
import { capture } from '../../scripts/command.mjs'
import { writeBusybox } from '../../scripts/image/busybox.mjs'
import { makeNamespaces, WORLD } from '../support/namespaces.mjs'

const folder = mkdtempSync(join(tmpdir(), 'bx-'))
const image = join(folder, 'image')
const SIZE = 4_000_000
/** @type {import('../support/namespaces.mjs').Namespaces} */
let internet
/** @type {Runtime} */
let runtime
/** @type {import('../../index.mjs').Box} */
let box
/** @type {import('../../index.mjs').NetworkEvent[]} */
const refusals = []

before(async () => {
  internet = await makeNamespaces(join(folder, 'internet'), { ipv6: true, hostPid: process.pid })
  await writeBusybox(image)
  runtime = await Runtime.open({ home: join(folder, 'home') })
  runtime.events().on('network', event => refusals.push(event))
  box = await runtime.create({ image, ports: [8080], network: 'default' })
})
after(async () => {
  await runtime.close()
  await internet.end()
  rmSync(folder, { recursive: true, force: true })
})

/** What a line writes in the box. @param {string} line */
const output = async line => (await box.exec('sh', ['-c', `{ ${line}; } 2>&1`], { timeoutMs: 60_000 })).stdout

/** What has reached the servers since the last call. @param {string} kind */
async function seen(kind) {
  const all = /** @type {{ kind: string, to: string, detail: string }[]} */ (await internet.world.call('takeSeen'))
  return all.filter(one => one.kind === kind)
}

/** Waits for an event with these fields, which may take its second. @param {Partial<import('../../index.mjs').NetworkEvent>} fields */
async function expectRefusal(fields) {
  const matches = (/** @type {import('../../index.mjs').NetworkEvent} */ event) =>
    Object.entries(fields).every(([name, value]) => event[/** @type {keyof typeof event} */ (name)] === value)
  for (let tries = 0; !refusals.some(matches); tries++) {
    assert.ok(tries < 100, `no event has ${JSON.stringify(fields)}: ${JSON.stringify(refusals)}`)
    await delay(50)
  }
}

const hello = `hello from ${WORLD.web}\n`

test('a box on libkrun reaches the internet from its first command on, by IPv4 and IPv6', async () => {
  assert.equal(
    await output('wget -qO- http://six.example/; wget -qO- http://web.example/'),
    `hello from ${WORLD.web6}\n${hello}`,
  )
  assert.equal((await box.info()).engine, 'krun')
})

test('names: a short one is completed, and one that is not is unknown', async () => {
  assert.equal(await output('wget -qO- http://db/'), hello)
  assert.match(await output('nslookup nothing.example'), /NXDOMAIN/)
})

test('megabytes come and go unchanged', async () => {
  const block = Buffer.alloc(1 << 16, 'boxlite ')
  const bytes = Buffer.concat(Array(Math.ceil(SIZE / block.length)).fill(block)).subarray(0, SIZE)
  const sum = `${createHash('sha256').update(bytes).digest('hex')}  -\n`
  const download = (/** @type {string} */ name) => `wget -qO- http://${name}/bytes/${SIZE} | sha256sum`
  assert.equal(await output(`${download('web.example')}; ${download('six.example')}`), sum.repeat(2))
  // This server answers with what it gets. wget sends files up to their first zero only.
  const echo = `head -c ${SIZE} /dev/urandom > /tmp/a; sha256sum < /tmp/a; nc ${WORLD.web} 7 < /tmp/a | sha256sum`
  const [own, theirs] = (await output(echo)).split('\n')
  assert.match(own ?? '', /^[0-9a-f]{64}/)
  assert.equal(theirs, own)
  const { network } = await box.metrics()
  assert.ok(network && network.receivedBytes > 3 * SIZE && network.sentBytes > SIZE, JSON.stringify(network))
})

test('half-close: an end passes each way', async () => {
  // This server counts up to the end of what it reads, and answers then.
  assert.equal(await output(`head -c 300000 /dev/zero | nc ${WORLD.web} 9`), '300000\n')
})

test('ping: hosts answer, by IPv4 and IPv6', async () => {
  assert.match(await output(`ping -c 1 ${WORLD.web}`), / 0% packet loss/)
  assert.match(await output(`ping6 -c 1 ${WORLD.web6}`), / 0% packet loss/)
})

test('what is closed is refused at once, with an event', async () => {
  const began = performance.now()
  for (const address of [WORLD.metadata, WORLD.private, WORLD.host, `[${WORLD.uniqueLocal}]`]) {
    assert.match(await output(`wget -O- http://${address}/`), /Connection refused/)
  }
  assert.ok(performance.now() - began < 2000)
  await expectRefusal({
    boxId: box.id,
    address: WORLD.metadata,
    port: 80,
    protocol: 'tcp',
    name: null,
    rule: 'default',
  })
  // UDP: another name server than the box's own.
  assert.match(await output(`nslookup web.example ${WORLD.resolver}`), /timed out|no servers|unreachable|refused/i)
  await expectRefusal({ address: WORLD.resolver, port: 53, protocol: 'udp', rule: 'dns' })
  assert.deepEqual(await seen('trap'), [])
  await box.network.update({ allow: ['public', `${WORLD.resolver}:53`] })
  assert.match(await output(`nslookup web.example ${WORLD.resolver}`), new RegExp(`Address[^:]*: ${WORLD.web}`))
})

test('an allow list by name holds for Host, while the box runs', async () => {
  await box.network.update({ allow: ['web.example'] })
  assert.equal(await output('wget -qO- http://web.example/'), hello)
  assert.match(await output('wget -qO- --header "Host: other.example" http://web.example/'), /403 Forbidden/)
  await expectRefusal({ address: WORLD.web, port: 80, name: 'other.example', rule: 'default' })
  assert.match(await output('nslookup other.example'), /NXDOMAIN/)
  const began = performance.now()
  assert.match(await output(`wget -O- http://${WORLD.other}/`), /Connection refused/)
  assert.ok(performance.now() - began < 1000)
  await expectRefusal({ address: WORLD.other, port: 80, protocol: 'tcp', rule: 'default' })
  await box.network.update({ allow: null })
  assert.equal(await output('wget -qO- http://other.example/'), `hello from ${WORLD.other}\n`)
})

test('published ports are reached, by TCP and UDP', async () => {
  await box.exec('sh', ['-c', `mkdir /www && head -c ${SIZE} /dev/urandom > /www/large`], { check: true })
  await serve(box)
  const [port] = await box.ports()
  const answer = await (await fetch(`http://127.0.0.1:${port?.host}/large`)).arrayBuffer()
  const sum = createHash('sha256').update(Buffer.from(answer)).digest('hex')
  assert.equal(await output('sha256sum < /www/large'), `${sum}  -\n`)
  await echoDatagrams()
})

test('ports of boxes with and without a network are waited for, connected to and fetched from', async () => {
  const alone = await runtime.create({ image, network: 'none' })
  await alone.exec('mkdir', ['/www'])
  await serve(alone)
  for (const one of [box, alone]) {
    await one.fs.writeFile('/www/index.html', 'served\n')
    assert.equal(await (await one.fetch('http://localhost:8080/')).text(), 'served\n')
    one.spawn('nc', ['-ll', '-p', '9001', '-e', 'sh', '-c', 'cat > /tmp/got; wc -c < /tmp/got'], { stdin: 'none' })
    await one.waitForPort(9001, { timeoutMs: 20_000 })
    const stream = one.connect(9001)
    stream.end(Buffer.alloc(300_000))
    assert.equal(String(await buffer(stream)), '300000\n')
    const [error] = await once(one.connect(9), 'error')
    assert.equal(error.code, 'PORT_CLOSED')
  }
  assert.match(
    await (await alone.exec('sh', ['-c', 'ip link; wget -O- http://203.0.113.10/ 2>&1'])).stdout,
    /^1: lo[\s\S]*unreachable/,
  )
  await alone.remove({ force: true })
})

test('all of it holds after a stop and a start', async () => {
  await box.stop()
  await box.start()
  assert.equal(
    await output('wget -qO- http://web.example/; wget -qO- http://six.example/'),
    `${hello}hello from ${WORLD.web6}\n`,
  )
  assert.match(await output(`wget -O- http://${WORLD.metadata}/`), /Connection refused/)
  await serve(box)
  const [port] = await box.ports()
  assert.equal(await (await fetch(`http://127.0.0.1:${port?.host}/`)).text(), 'served\n')
})

/** Starts busybox' web server on the box's own 127.0.0.1. @param {import('../../index.mjs').Box} box */
async function serve(box) {
  await box.exec('httpd', ['-p', '127.0.0.1:8080', '-h', '/www'], { check: true })
  await box.waitForPort(8080, { timeoutMs: 20_000 })
}

/** Publishes a service of datagrams and has it answer. */
async function echoDatagrams() {
  const program = join(folder, 'udp-echo')
  const source = fileURLToPath(new URL('../e2e/udp-echo.c', import.meta.url))
  assert.equal((await capture('gcc', ['-O1', '-static', '-o', program, source])).output, '')
  await box.copyIn(program, '/udp-echo')
  box.spawn('/udp-echo', { stdin: 'none' })
  const { host } = await box.publish(5353, { protocol: 'udp' })
  const client = createSocket('udp4')
  const sent = Buffer.alloc(60_000, 7)
  const timer = setInterval(() => client.send(sent, host, '127.0.0.1'), 200)
  try {
    const [message] = await once(client, 'message', { signal: AbortSignal.timeout(20_000) })
    assert.ok(sent.equals(message))
  } finally {
    clearInterval(timer)
    client.close()
  }
}
