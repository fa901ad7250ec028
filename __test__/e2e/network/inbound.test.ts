// How a box is reached: published ports, and connections and requests that need no port of this machine and no network of the box.
import { once } from 'node:events'
import { connect } from 'node:net'
import { expect, it } from 'vitest'
import type { Box, Runtime } from '../../../index.mjs'
import { useHomes } from '../../support/homes.js'
import { useRuntime } from '../../support/runtime.js'

const homes = useHomes()
let runtime: Runtime
let image: string

useRuntime(homes, made => {
  runtime = made.runtime
  image = made.image
})

/** Starts busybox' web server in the box at `address`. */
async function serve(box: Box, address: string) {
  await box.exec('sh', ['-c', `mkdir -p /www && echo served > /www/index.html && httpd -p ${address} -h /www`], {
    check: true,
  })
}

it('services on the box’s 127.0.0.1 are reached, as those on every address, with no network', async () => {
  const box = await runtime.create({ image, network: 'none', ports: [8080] })
  await serve(box, '127.0.0.1:8080')
  await box.waitForPort(8080, { timeoutMs: 20_000 })
  const [port] = await box.ports()
  expect(port).toMatchObject({ guest: 8080, protocol: 'tcp', bind: '127.0.0.1' })
  expect(await (await fetch(`http://127.0.0.1:${port?.host}/`)).text()).toBe('served\n')
  expect(await (await box.fetch('http://localhost:8080/')).text()).toBe('served\n')
  const stream = await box.connect(8080)
  stream.end('GET / HTTP/1.0\r\n\r\n')
  const chunks: Buffer[] = []
  for await (const chunk of stream) chunks.push(chunk as Buffer)
  expect(Buffer.concat(chunks).toString()).toMatch(/^HTTP\/1\.[01] 200 OK[\s\S]*served\n$/)
  await box.remove({ force: true })
})

it('publishes and withdraws while it runs', async () => {
  const box = await runtime.create({ image, network: 'none' })
  await serve(box, '0.0.0.0:80')
  const port = await box.publish(80)
  expect(await (await fetch(`http://127.0.0.1:${port.host}/`)).text()).toBe('served\n')
  await box.unpublish(80)
  expect(await box.ports()).toEqual([])
  const socket = connect(port.host, '127.0.0.1')
  expect(await once(socket, 'error')).toMatchObject([{ code: 'ECONNREFUSED' }])
  await box.remove({ force: true })
})

it('a port on which nothing listens is refused', async () => {
  const box = await runtime.create({ image, network: 'none' })
  await box.start()
  const [error] = await once(box.connect(9), 'error')
  expect(error).toMatchObject({ code: 'PORT_CLOSED' })
  await box.remove({ force: true })
})
