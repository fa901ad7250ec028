// `box.connect`: a Duplex over what the native half dials.
import { once } from 'node:events'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { buffer } from 'node:stream/consumers'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, onTestFinished, test } from 'vitest'
import { boxInput } from '../../lib/options/box.js'
import { warnOfWildcards } from '../../lib/ports.js'
import { portBox } from './fake-ports.js'

/** A service on 127.0.0.1. */
async function service(serve: (socket: Socket) => void): Promise<number> {
  const server = createServer({ allowHalfOpen: true }, socket => {
    socket.on('error', () => {})
    serve(socket)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => void server.close())
  return (server.address() as AddressInfo).port
}

const echo = () => service(socket => socket.pipe(socket))

test('bytes may be written before it is connected, and come back', async () => {
  const { box, dialled } = portBox()
  const connection = box.connect(await echo())
  expect(connection.connecting).toBe(true)
  connection.end('hello')
  await once(connection, 'connect')
  expect(connection.connecting).toBe(false)
  const closed = once(connection, 'close')
  expect(String(await buffer(connection))).toBe('hello')
  await closed
  expect(dialled.map(({ closed }) => closed)).toEqual([true])
})

test('each direction ends by itself', async () => {
  const { box } = portBox()
  let received: Promise<Buffer> | undefined
  const port = await service(socket => {
    socket.end('done')
    received = buffer(socket)
  })
  const connection = box.connect(port)
  let answer = ''
  // Not by iteration, which destroys a Duplex at its end.
  connection.on('data', data => {
    answer += data
  })
  await once(connection, 'end')
  expect([answer, connection.writable]).toEqual(['done', true])
  connection.end(Buffer.alloc(3_000_000, 7))
  await once(connection, 'close')
  expect((await received)?.length).toBe(3_000_000)
})

test('a reader that pauses holds the service back', async () => {
  const { box } = portBox()
  let sent = 0
  const port = await service(socket => {
    const more = () => {
      while (socket.write(Buffer.alloc(65_536))) sent += 65_536
    }
    socket.on('drain', more)
    more()
  })
  const connection = box.connect(port)
  await once(connection, 'readable')
  await sleep(200)
  const before = sent
  await sleep(200)
  expect(sent).toBe(before)
  expect(connection.readableLength).toBeLessThan(1 << 20)
  connection.destroy()
})

test('a closed port is an error with its code', async () => {
  const { box } = portBox()
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  const connection = box.connect(port)
  const [error] = await once(connection, 'error')
  expect(error).toMatchObject({ name: 'NetworkError', code: 'PORT_CLOSED' })
  expect(connection.destroyed).toBe(true)
  await expect(box.waitForPort(port)).rejects.toMatchObject({ code: 'PORT_CLOSED' })
})

test('a signal ends it before and after it is made', async () => {
  const { box, dialled, cancelled } = portBox()
  const port = await echo()
  const early = AbortSignal.abort()
  const [first] = await once(box.connect(port, { signal: early }), 'error')
  expect(first).toMatchObject({ name: 'AbortError', code: 'ABORTED' })
  const making = new AbortController()
  const connection = box.connect(port, { signal: making.signal })
  await sleep(0)
  const failed = once(connection, 'error')
  making.abort(new Error('enough'))
  expect((await failed)[0]).toMatchObject({ code: 'ABORTED', cause: { message: 'enough' } })
  expect(cancelled()).toBe(1)
  const late = new AbortController()
  const made = box.connect(port, { signal: late.signal })
  await once(made, 'connect')
  late.abort()
  expect((await once(made, 'error'))[0]).toMatchObject({ code: 'ABORTED' })
  expect(dialled.at(-1)?.closed).toBe(true)
})

function listenForWarnings(): Error[] {
  const warnings: Error[] = []
  const warned = (warning: Error) => void warnings.push(warning)
  process.on('warning', warned)
  onTestFinished(() => void process.off('warning', warned))
  return warnings
}

test('a port of a new box that other machines will reach is warned of', async () => {
  const warnings = listenForWarnings()
  const ports = [80, '0.0.0.0:8081:81', '[::]:0:82/udp', { guest: 83, bind: '::1' }]
  warnOfWildcards('b1', boxInput({ image: 'alpine:3', ports }).ports)
  await sleep(0)
  expect(warnings.map(({ name, message }) => [name, message])).toEqual([
    ['BoxliteWarning', 'port 81 of box b1 is to be published on every address of this machine, port 8081'],
    ['BoxliteWarning', 'port 82 of box b1 is to be published on every address of this machine, a free port'],
  ])
})

test('a published port is told, and one that other machines reach is warned of', async () => {
  const { box, published } = portBox()
  const warnings = listenForWarnings()
  expect(await box.publish(80)).toEqual({ guest: 80, host: 4711, protocol: 'tcp', bind: '127.0.0.1' })
  await box.publish(53, { protocol: 'udp', host: 5353, bind: '::1' })
  await box.publish(81, { bind: '0.0.0.0' })
  await box.publish(82, { bind: '::' })
  expect(published).toEqual([
    { guest: 80 },
    { guest: 53, protocol: 'udp', host: 5353, bind: '::1' },
    { guest: 81, bind: '0.0.0.0' },
    { guest: 82, bind: '::' },
  ])
  await sleep(0)
  expect(warnings.map(({ message }) => message.slice(0, 17))).toEqual(['port 81 of box b1', 'port 82 of box b1'])
})
