// The servers of the test's own internet, in a network namespace of their own: `fork(world.mjs)` under `unshare --net`. Controlled by
// namespaces.mjs, which makes the addresses, and then sends one message for each call of `calls` below.
import { createHash } from 'node:crypto'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createServer as createHttp, request } from 'node:http'
import { createSecureServer } from 'node:http2'
import { connect, createServer as createTcp } from 'node:net'
import { gzipSync } from 'node:zlib'
import { serveNames } from './name-server.mjs'

/**
 * @typedef {{ kind: string, to: string, from?: string, detail?: string }} Seen something that reached a server
 * @typedef {object} Plan what is to be served
 * @property {string[]} web addresses of web servers: HTTP, HTTPS, echo, and a count of bytes
 * @property {string[]} traps addresses that nothing may reach
 * @property {string[]} resolvers addresses of name servers
 * @property {{ address: string, credentials: string, known: Record<string, string> }} proxy
 * @property {Record<string, import('./name-server.mjs').Records>} zone
 * @property {{ key: string, cert: string }} tls files
 */

/** @type {Seen[]} */
const seen = []
/** @type {Map<string, { close(): void }>} */
const resolvers = new Map()
/** @type {Record<string, import('./name-server.mjs').Records>} */
const zone = {}
/** Bytes that downloads consist of. */
const BLOCK = Buffer.alloc(1 << 16, 'boxlite ')

const calls = {
  /** @param {Plan} plan */
  async serve(plan) {
    Object.assign(zone, plan.zone)
    for (const address of plan.resolvers) await calls.startResolver(address)
    for (const address of plan.web) await serveWeb(address, plan.tls)
    for (const address of plan.traps) await serveTrap(address)
    await serveProxy(plan.proxy.address, plan.proxy.credentials, plan.proxy.known)
  },
  /** @param {string} address */
  async startResolver(address) {
    resolvers.set(
      address,
      await serveNames(address, zone, ({ name, type, over }) =>
        note('dns', address, undefined, `${name} ${type} ${over}`),
      ),
    )
  },
  /** @param {string} address */
  stopResolver(address) {
    resolvers.get(address)?.close()
    resolvers.delete(address)
  },
  /** @param {{ name: string, records: import('./name-server.mjs').Records }} change */
  setRecords({ name, records }) {
    zone[name] = records
  },
  /** Gets a URL, and returns the length of the answer. @param {string} url */
  async get(url) {
    const [answer] = await once(request(url).end(), 'response')
    return sizeOf(answer)
  },
  /** Returns what was seen since the last call. */
  takeSeen: () => seen.splice(0),
}

/** @param {string} kind @param {string} to @param {string | undefined} from @param {string} [detail] */
function note(kind, to, from, detail) {
  seen.push({ kind, to, ...(from && { from }), ...(detail && { detail }) })
}

/** @param {string} address @param {Plan['tls']} tls */
async function serveWeb(address, tls) {
  const secure = createSecureServer({ allowHTTP1: true, key: readFileSync(tls.key), cert: readFileSync(tls.cert) })
  secure.on('secureConnection', socket => note('tls', address, socket.remoteAddress, String(socket.servername)))
  // A client may go away before its request has come.
  const gone = () => {}
  secure.on('request', (request, response) => onRequest(address, 'https', request, response).catch(gone))
  secure.on('upgrade', (request, socket) => {
    note('upgrade', address, undefined, JSON.stringify(request.headers))
    socket.write('HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\r\n')
    socket.on('error', () => {}).pipe(socket)
  })
  secure.on('error', () => {}).on('tlsClientError', () => {})
  const plain = createHttp((request, response) => onRequest(address, 'http', request, response).catch(gone))
  await listen(plain, 80, address)
  await listen(secure, 443, address)
  // The echo protocol (RFC 862), which also passes on the end of what it reads.
  const echo = createTcp({ allowHalfOpen: true }, socket => socket.on('error', () => {}).pipe(socket))
  await listen(echo, 7, address)
  // Reads to the end, and some time later answers how much that was: who ends both directions at once never gets it.
  const count = createTcp({ allowHalfOpen: true }, socket => {
    let bytes = 0
    socket.on('error', () => {})
    socket.on('data', data => {
      bytes += data.length
    })
    socket.on('end', () => setTimeout(() => socket.end(`${bytes}\n`), 50))
  })
  await listen(count, 9, address)
  // Resets every connection.
  await listen(
    // Once its client surely knows that it is connected: a reset before that is a refusal.
    createTcp(socket => void setTimeout(() => socket.resetAndDestroy(), 500)),
    10,
    address,
  )
  // The second one is where QUIC would be.
  for (const port of [7, 443]) {
    const datagrams = createSocket(address.includes(':') ? 'udp6' : 'udp4')
    datagrams.on('message', (data, from) => datagrams.send(data, from.port, from.address))
    await new Promise(bound => datagrams.bind(port, address, () => bound(undefined)))
  }
}

/**
 * A proxy as companies have them: it wants a password, makes tunnels to port 443 only, and resolves names itself.
 * @param {string} address @param {string} credentials @param {Record<string, string>} known names that no name server knows
 */
async function serveProxy(address, credentials, known) {
  const wanted = `Basic ${Buffer.from(credentials).toString('base64')}`
  const find = (/** @type {string} */ host) => known[host] ?? zone[host]?.A?.[0] ?? host
  const proxy = createHttp((asked, answer) => {
    note('proxy', address, asked.socket.remoteAddress, `${asked.method} ${asked.url}`)
    const { 'proxy-authorization': authorization, ...headers } = asked.headers
    if (authorization !== wanted) {
      answer.writeHead(407).end()
      return
    }
    const { hostname, port, pathname } = new URL(asked.url ?? '')
    const { method } = asked
    const onward = request({ host: find(hostname), port: port || 80, path: pathname, method, headers }, from => {
      answer.writeHead(from.statusCode ?? 502, from.headers)
      from.pipe(answer)
    })
    onward.on('error', () => answer.writeHead(502).end())
    asked.pipe(onward)
  })
  proxy.on('connect', (request, socket) => {
    note('proxy', address, request.socket.remoteAddress, `CONNECT ${request.url}`)
    socket.on('error', () => {})
    const [host = '', port] = (request.url ?? '').split(':')
    const refusal = request.headers['proxy-authorization'] !== wanted ? 407 : port !== '443' ? 403 : 0
    if (refusal) {
      socket.end(`HTTP/1.1 ${refusal} Refused\r\ncontent-length: 0\r\n\r\n`)
      return
    }
    const onward = connect(Number(port), find(host), () => {
      socket.write('HTTP/1.1 200 Connection established\r\n\r\n')
      socket.pipe(onward).pipe(socket)
    })
    onward.on('error', () => socket.end('HTTP/1.1 502 Bad gateway\r\ncontent-length: 0\r\n\r\n'))
  })
  await listen(proxy, 3128, address)
}

/**
 * @param {string} address @param {string} scheme @param {import('node:http').IncomingMessage | import('node:http2').Http2ServerRequest} request
 * @param {import('node:http').ServerResponse | import('node:http2').Http2ServerResponse} response
 */
async function onRequest(address, scheme, request, response) {
  const answer = /** @type {import('node:http').ServerResponse} */ (response)
  const [, what, amount] = (request.url ?? '').split('/')
  note(
    scheme,
    address,
    request.socket.remoteAddress,
    `${request.method} ${request.headers.host ?? request.headers[':authority']} ${request.url}`,
  )
  answer.on('error', () => {})
  if (what === 'headers') answer.end(JSON.stringify(request.headers))
  // What came is seen by the test only, and not by who sent it.
  else if (what === 'noted') {
    note('headers', address, undefined, JSON.stringify(request.headers))
    answer.end('noted\n')
  } else if (what === 'echo') request.pipe(answer)
  else if (what === 'digest') answer.end(`${await digestOf(request)}\n`)
  else if (what === 'gzip') answer.setHeader('content-encoding', 'gzip').end(gzipSync(decodeURIComponent(amount ?? '')))
  else if (what === 'version') answer.end(request.httpVersion)
  else if (what === 'sink') answer.end(`${await sizeOf(request)}\n`)
  else if (what === 'bytes') await download(Number(amount), answer)
  else answer.end(`hello from ${address}\n`)
}

/** @param {AsyncIterable<Buffer>} body */
async function digestOf(body) {
  const hash = createHash('sha256')
  for await (const chunk of body) hash.update(chunk)
  return hash.digest('hex')
}

/** @param {AsyncIterable<Buffer>} body */
async function sizeOf(body) {
  let bytes = 0
  for await (const chunk of body) bytes += chunk.length
  return bytes
}

/** @param {number} size @param {import('node:http').ServerResponse} answer */
async function download(size, answer) {
  answer.setHeader('content-length', size)
  for (let left = size; left > 0; ) {
    const part = BLOCK.subarray(0, left)
    left -= part.length
    if (!answer.write(part)) await new Promise(drained => answer.once('drain', drained))
  }
  answer.end()
}

/** What has no business here: every connection and every datagram is noted. @param {string} address */
async function serveTrap(address) {
  for (const port of [53, 80, 443]) {
    await listen(
      createTcp(socket => {
        note('trap', address, socket.remoteAddress, `tcp ${port}`)
        // Not before it is asked, as servers do: what answers earlier can't be looked into.
        const answer = 'HTTP/1.1 200 OK\r\ncontent-length: 7\r\nconnection: close\r\n\r\ntrapped'
        socket.on('error', () => {}).once('data', () => socket.end(answer))
      }),
      port,
      address,
    )
    const datagrams = createSocket(address.includes(':') ? 'udp6' : 'udp4')
    datagrams.on('message', (_, from) => {
      note('trap', address, from.address, `udp ${port}`)
      datagrams.send('trapped', from.port, from.address)
    })
    await new Promise(bound => datagrams.bind(port, address, () => bound(undefined)))
  }
}

/** @param {import('node:net').Server | import('node:http2').Http2SecureServer} server @param {number} port @param {string} address */
const listen = (server, port, address) =>
  new Promise((bound, failed) => {
    server.once('error', failed)
    server.listen({ port, host: address, backlog: 4096 }, () => bound(undefined))
  })

process.on('message', async (/** @type {{ id: number, call: keyof typeof calls, argument: never }} */ message) => {
  const { id, call, argument } = message
  try {
    process.send?.({ id, result: await calls[call](argument) })
  } catch (error) {
    process.send?.({ id, error: String(error) })
  }
})
process.on('disconnect', () => process.exit())
process.send?.({ id: 0 })
