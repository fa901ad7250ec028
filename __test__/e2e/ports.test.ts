// Ports of a box that has no network: published, connected to, fetched from and waited for. Rows of the list of network pitfalls are named.

import { createSocket } from 'node:dgram'
import { on, once } from 'node:events'
import { type AddressInfo, connect, createServer } from 'node:net'
import { join } from 'node:path'
import { buffer } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, it } from 'vitest'
import type { Box, Runtime } from '../../index.mjs'
import { capture } from '../../scripts/command.mjs'
import { useHomes } from '../support/homes.js'
import { useRuntime } from '../support/runtime.js'

const homes = useHomes()
let runtime: Runtime
let image: string
let box: Box
useRuntime(homes, setup => ({ runtime, image } = setup))

/** A service in the box that runs `line` for each connection. */
const listen = (port: number, line: string) =>
  box.spawn('nc', ['-ll', '-p', String(port), '-e', 'sh', '-c', line], { stdin: 'none' })

beforeAll(async () => {
  box = await runtime.create({ image })
  await box.fs.mkdir('/www')
  await box.fs.writeFile('/www/index.html', 'hello from the box\n')
  await box.fs.writeFile('/www/large', Buffer.alloc(2_000_000, 7))
  void box.spawn('httpd', ['-f', '-p', '127.0.0.1:8080', '-h', '/www'], { stdin: 'none' })
  await box.waitForPort(8080, { timeoutMs: 30_000 })
})
afterAll(() => box?.remove({ force: true }))

it('network pitfalls: services on the box’s 127.0.0.1 and inbound bind: a published port is told and reached', async () => {
  const port = await box.publish(8080)
  expect(port).toEqual({ guest: 8080, host: expect.any(Number), protocol: 'tcp', bind: '127.0.0.1' })
  expect(await (await fetch(`http://127.0.0.1:${port.host}/`)).text()).toBe('hello from the box\n')
  expect(await box.ports()).toEqual([port])
})

it('network pitfalls: `localhost` picks ::1: a client of the name gets through', async () => {
  const [port] = await box.ports()
  expect(await (await fetch(`http://localhost:${port?.host}/`)).text()).toBe('hello from the box\n')
})

it('box.fetch needs no port of this machine', async () => {
  const response = await box.fetch('http://localhost:8080/large')
  expect([response.status, response.headers.get('content-length')]).toEqual([200, '2000000'])
  expect(Buffer.from(await response.arrayBuffer()).equals(Buffer.alloc(2_000_000, 7))).toBe(true)
  expect((await box.fetch('/none', { port: 8080 })).status).toBe(404)
})

it('network pitfalls: half-close: each direction ends by itself', async () => {
  listen(9001, 'cat >/tmp/got; wc -c </tmp/got')
  await box.waitForPort(9001)
  const { host } = await box.publish(9001)
  for (const stream of [box.connect(9001), connect({ host: '127.0.0.1', port: host, allowHalfOpen: true })]) {
    stream.end(Buffer.alloc(300_000))
    expect(String(await buffer(stream)).trim()).toBe('300000')
  }
})

it('network pitfalls: no accept before the box: a closed port is a reset, and PORT_CLOSED', async () => {
  const { host } = await box.publish(9)
  const client = connect({ host: '127.0.0.1', port: host })
  const [error] = await once(client, 'error')
  expect(error.code).toBe('ECONNRESET')
  await expect(box.fetch('/', { port: 9 })).rejects.toMatchObject({ name: 'NetworkError', code: 'PORT_CLOSED' })
  await expect(box.waitForPort(9, { timeoutMs: 300 })).rejects.toMatchObject({ code: 'PORT_CLOSED' })
})

it('network pitfalls: many connections: a hundred at once', async () => {
  const [port] = await box.ports()
  const answers = Array.from({ length: 100 }, async () => (await fetch(`http://127.0.0.1:${port?.host}/`)).text())
  expect(new Set(await Promise.all(answers))).toEqual(new Set(['hello from the box\n']))
})

it('datagrams come and go, each whole', async () => {
  const program = join(homes.folder(), 'udp-echo')
  const source = fileURLToPath(new URL('udp-echo.c', import.meta.url))
  const built = await capture('gcc', ['-O1', '-static', '-Wall', '-Wextra', '-Werror', '-o', program, source])
  expect(built.output).toBe('')
  await box.copyIn(program, '/udp-echo')
  box.spawn('/udp-echo', { stdin: 'none' })
  const { host } = await box.publish(5353, { protocol: 'udp' })
  const client = createSocket('udp4')
  try {
    for (const sent of [Buffer.from('ping'), Buffer.alloc(0), Buffer.alloc(60_000, 7)]) {
      const timer = setInterval(() => client.send(sent, host, '127.0.0.1'), 500)
      const received = on(client, 'message', { signal: AbortSignal.timeout(20_000) })
      // Those that were sent again before are answered again.
      for await (const [message] of received) if (sent.equals(message)) break
      clearInterval(timer)
    }
  } finally {
    client.close()
  }
})

it('a port that is taken is PORT_IN_USE, with its address', async () => {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  await expect(box.publish(8080, { host: port })).rejects.toMatchObject({
    code: 'PORT_IN_USE',
    message: expect.stringContaining(`127.0.0.1:${port}`),
  })
  server.close()
})

it('a port of a new box that is taken is PORT_IN_USE at its start, before its image is looked for', async () => {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const taken = await runtime.create({ image: join(homes.folder(), 'none'), ports: [`${port}:80`] })
  const error = await taken.start().catch(error => error)
  expect(error).toMatchObject({
    name: 'NetworkError',
    code: 'PORT_IN_USE',
    message: expect.stringContaining(`publish port 80/tcp of the box on 127.0.0.1:${port}`),
    hint: expect.stringContaining('`host`'),
  })
  server.close()
  await once(server, 'close')
  await expect(taken.start()).rejects.toMatchObject({ name: 'ImageError' })
  await taken.remove()
})

it('what is withdrawn, or of a box that stops, is closed', async () => {
  const first = await box.publish(8081)
  expect(await box.unpublish(8081)).toEqual([first])
  expect((await once(connect(first.host, '127.0.0.1'), 'error'))[0].code).toBe('ECONNREFUSED')
  listen(9002, 'sleep 1000')
  await box.waitForPort(9002)
  const [port] = await box.ports()
  const held = box.connect(9002)
  await once(held, 'connect')
  const over = new Promise(resolve => held.once('error', resolve).once('end', resolve))
  held.resume()
  await box.stop({ timeoutMs: 100 })
  await over
  expect((await once(connect(port?.host as number, '127.0.0.1'), 'error'))[0].code).toBe('ECONNREFUSED')
  expect(await box.ports()).toEqual([])
})
