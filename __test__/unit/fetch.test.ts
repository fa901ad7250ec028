// `box.fetch` against a real HTTP server, reached by the fake of the native half, beside the global `fetch` where that says what is right.
import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { type AddressInfo, createServer as createTcp } from 'node:net'
import { buffer } from 'node:stream/consumers'
import { brotliCompressSync, deflateSync, gzipSync } from 'node:zlib'
import { expect, onTestFinished, test } from 'vitest'
import { portBox } from './fake-ports.js'

const WORDS = 'words '.repeat(10_000)

async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const url = new URL(request.url as string, 'http://x')
  const { pathname, searchParams } = url
  switch (pathname) {
    case '/echo': {
      const { method, headers } = request
      response.setHeader('content-type', 'application/json')
      response.end(JSON.stringify({ method, headers, body: String(await buffer(request)) }))
      break
    }
    case '/status':
      response.writeHead(Number(searchParams.get('code')), { 'set-cookie': ['a=1', 'b=2'] }).end()
      break
    case '/to':
      response.writeHead(Number(searchParams.get('code')), { location: searchParams.get('to') ?? '/echo' }).end('moved')
      break
    case '/gzip':
    case '/deflate':
    case '/br': {
      const pack = { '/gzip': gzipSync, '/deflate': deflateSync, '/br': brotliCompressSync }[pathname]
      response.setHeader('content-encoding', pathname.slice(1)).end(pack(WORDS))
      break
    }
    case '/loop':
      response.writeHead(302, { location: '/loop' }).end()
      break
    case '/slow':
      response.write('first')
      break
    case '/break':
      response.writeHead(200, { 'content-length': 100 }).write('part')
      setImmediate(() => request.socket.destroy())
      break
    default:
      response.writeHead(404).end()
  }
}

async function fixture() {
  const server = createServer((request, response) => void answer(request, response))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  const { port } = server.address() as AddressInfo
  return { ...portBox(), port, url: (path: string) => `http://localhost:${port}${path}` }
}

test('a request has method, headers and body, and its answer is a Response', async () => {
  const { box, port, url, dialled } = await fixture()
  const response = await box.fetch(url('/echo?x=1'), {
    method: 'POST',
    headers: { 'x-mine': 'yes' },
    body: JSON.stringify({ a: 1 }),
  })
  expect(response).toBeInstanceOf(Response)
  expect([response.status, response.ok, response.url, response.redirected]).toEqual([
    200,
    true,
    url('/echo?x=1'),
    false,
  ])
  expect(response.headers.get('content-type')).toBe('application/json')
  const { method, headers, body } = (await response.json()) as Record<string, never>
  expect([method, body]).toEqual(['POST', '{"a":1}'])
  expect(headers).toMatchObject({ 'x-mine': 'yes', 'content-length': '7', host: `localhost:${port}` })
  expect(await (await box.fetch('/echo', { port })).json()).toMatchObject({ method: 'GET', body: '' })
  const request = new Request(url('/echo'), { method: 'PUT', body: 'of a request' })
  expect(await (await box.fetch(request)).json()).toMatchObject({ method: 'PUT', body: 'of a request' })
  await expect.poll(() => dialled.every(({ closed }) => closed)).toBe(true)
})

test('bodies stream both ways', async () => {
  const { box, url } = await fixture()
  const body = new ReadableStream({
    start(controller) {
      for (const part of ['a', 'b', 'c']) controller.enqueue(new TextEncoder().encode(part))
      controller.close()
    },
  })
  const sent = await box.fetch(url('/echo'), { method: 'POST', body })
  expect(await sent.json()).toMatchObject({ body: 'abc', headers: { 'transfer-encoding': 'chunked' } })
  const slow = await box.fetch(url('/slow'))
  const reader = (slow.body as ReadableStream<Uint8Array>).getReader()
  expect(String(Buffer.from((await reader.read()).value as Uint8Array))).toBe('first')
  await reader.cancel()
})

test('forms and encoded answers are as the global fetch has them', async () => {
  const { box, port, url } = await fixture()
  const form = await box.fetch(url('/echo'), { method: 'POST', body: new URLSearchParams({ a: 'b c' }) })
  expect(await form.json()).toMatchObject({ body: 'a=b+c', headers: { 'content-length': '5' } })
  for (const path of ['/gzip', '/deflate', '/br']) {
    expect(await (await box.fetch(path, { port })).text(), path).toBe(WORDS)
  }
})

test.each([204, 304, 404, 500])('status %i is an answer like any other', async code => {
  const { box, url } = await fixture()
  const response = await box.fetch(url(`/status?code=${code}`))
  const global = await fetch(url(`/status?code=${code}`).replace('localhost', '127.0.0.1'))
  expect([response.status, response.statusText]).toEqual([global.status, global.statusText])
  expect(response.headers.getSetCookie()).toEqual(global.headers.getSetCookie())
  expect(await response.text()).toBe('')
})

test.each([301, 302, 303, 307, 308])('a redirect by %i is followed as the global fetch does', async code => {
  const { box, url } = await fixture()
  const init = { method: 'POST', body: 'x', headers: { 'content-type': 'text/plain', authorization: 'me' } }
  const response = await box.fetch(url(`/to?code=${code}`), init)
  const global = await fetch(url(`/to?code=${code}`).replace('localhost', '127.0.0.1'), init)
  const [ours, theirs] = [await response.json(), await global.json()] as Record<string, Record<string, string>>[]
  expect([ours?.method, ours?.body, ours?.headers?.authorization]).toEqual([
    theirs?.method,
    theirs?.body,
    theirs?.headers?.authorization,
  ])
  expect([response.redirected, new URL(response.url).pathname]).toEqual([true, '/echo'])
  const manual = await box.fetch(url(`/to?code=${code}`), { redirect: 'manual' })
  expect([manual.status, await manual.text()]).toEqual([code, 'moved'])
  await expect(box.fetch(url(`/to?code=${code}`), { redirect: 'error' })).rejects.toThrow('fetch failed')
})

test('a redirect does not leave the box, nor go on for ever', async () => {
  const { box, url } = await fixture()
  const away = box.fetch(url(`/to?code=302&to=${encodeURIComponent('http://example.com/')}`))
  await expect(away).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' })
  await expect(box.fetch(url('/loop'))).rejects.toMatchObject({ cause: { message: 'redirect count exceeded' } })
})

test('a signal ends the request, and the body after it', async () => {
  const { box, port, url } = await fixture()
  const reason = new Error('enough')
  await expect(box.fetch(url('/slow'), { signal: AbortSignal.abort(reason) })).rejects.toBe(reason)
  const silent = createTcp(socket => void socket.on('error', () => {})).listen(0, '127.0.0.1')
  await once(silent, 'listening')
  onTestFinished(() => void silent.close())
  const waiting = new AbortController()
  const never = box.fetch('/', { port: (silent.address() as AddressInfo).port, signal: waiting.signal })
  setTimeout(() => waiting.abort(reason), 50)
  await expect(never).rejects.toBe(reason)
  const reading = new AbortController()
  const slow = await box.fetch('/slow', { port, signal: reading.signal })
  const text = slow.text()
  setTimeout(() => reading.abort(reason), 50)
  await expect(text).rejects.toBe(reason)
})

test('what fails is told by its code, or as the global fetch tells it', async () => {
  const { box, url } = await fixture()
  const closed = createTcp().listen(0, '127.0.0.1')
  await once(closed, 'listening')
  const { port } = closed.address() as AddressInfo
  closed.close()
  await expect(box.fetch('/', { port })).rejects.toMatchObject({ code: 'PORT_CLOSED' })
  await expect((await box.fetch(url('/break'))).text()).rejects.toThrow()
  const noise = createTcp(socket => void socket.end('noise\r\n\r\n')).listen(0, '127.0.0.1')
  await once(noise, 'listening')
  onTestFinished(() => void noise.close())
  const broken = box.fetch('/', { port: (noise.address() as AddressInfo).port })
  await expect(broken).rejects.toThrow(new TypeError('fetch failed'))
  for (const wrong of [
    'https://localhost/',
    'http://example.com/',
    'http://10.0.0.1/',
    'ftp://localhost/',
    'http://[',
  ]) {
    await expect(box.fetch(wrong), wrong).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' })
  }
  for (const port of [0, 65_536, 1.5, '80']) {
    await expect(box.fetch('/', { port: port as number })).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' })
  }
})
