// `box.fetch`: HTTP requests to a service in a box, with the meaning of the global `fetch`. Called by `box.ts`; each request has a connection
// of its own (`connection.ts`), over which Node's own client speaks.
import { request as begin, type IncomingMessage } from 'node:http'
import { Readable, type Transform } from 'node:stream'
import { createBrotliDecompress, createGunzip, createInflate, constants as zlib } from 'node:zlib'
import { onAbort } from './abort.js'
import type { Connection } from './connection.js'
import { BoxliteError, InvalidArgumentError } from './errors.js'
import { checkPort } from './options/port.js'

/** How to make a request: everything that the global `fetch` takes, and the port. */
export interface FetchInit extends RequestInit {
  /** The port in the box of a URL that is only a path. Default: 80. */
  port?: number
}

/** Most redirects that are followed, as the fetch standard has it. */
const REDIRECTS_MAX = 20
const REDIRECTS = new Set([301, 302, 303, 307, 308])
/** Statuses whose answers have no body. */
const EMPTY = new Set([204, 205, 304])
const HERE = /^(localhost|.+\.localhost|127(\.\d+){3}|\[::1\])$/

/** Sends one request, and follows its redirects as `init` says. */
export async function fetchFrom(
  connect: (port: number) => Connection,
  input: string | URL | Request,
  init: FetchInit = {},
): Promise<Response> {
  const { request, body, streams } = await prepared(input, init)
  let { method } = request
  let content = body
  let url = new URL(request.url)
  const { headers, signal, redirect } = request
  for (let redirects = 0; ; redirects += 1) {
    signal.throwIfAborted()
    const answer = await exchange(connect, url, method, headers, content, signal)
    const status = answer.statusCode as number
    const target = REDIRECTS.has(status) && redirect !== 'manual' ? answer.headers.location : undefined
    if (target === undefined) return response(answer, url, method, redirects > 0)
    answer.destroy()
    if (redirect === 'error') throw failed(new Error(`redirected to ${target}`))
    if (redirects === REDIRECTS_MAX) throw failed(new Error('redirect count exceeded'))
    const next = located(new URL(target, url))
    if (status === 303 ? method !== 'GET' && method !== 'HEAD' : status <= 302 && method === 'POST') {
      method = 'GET'
      content = undefined
      for (const name of ['content-encoding', 'content-language', 'content-location', 'content-type']) {
        headers.delete(name)
      }
    } else if (streams) {
      throw failed(new Error('a streamed body can not be sent again after a redirect'))
    }
    if (next.origin !== url.origin) for (const name of ['authorization', 'cookie', 'host']) headers.delete(name)
    url = next
  }
}

interface Prepared {
  request: Request
  body: Buffer | ReadableStream<Uint8Array> | undefined
  /** Whether the body can be sent only once. */
  streams: boolean
}

/** The request as the standard reads it, with its body. */
async function prepared(input: string | URL | Request, init: FetchInit): Promise<Prepared> {
  const { port = 80, ...rest } = init ?? {}
  checkPort('box.fetch', port)
  // Node asks for `duplex` with a streamed body, and knows no other value of it.
  const options = { duplex: 'half', ...rest } as RequestInit
  let request: Request
  if (typeof input === 'string' || input instanceof URL) {
    const url = located(parsed(String(input), port))
    request = new Request(url, options)
  } else {
    request = new Request(input, options)
    located(new URL(request.url))
  }
  if (request.body === null) return { request, body: undefined, streams: false }
  const given = rest.body ?? undefined
  const streams =
    given === undefined || (typeof given === 'object' && ('getReader' in given || Symbol.asyncIterator in given))
  // What is whole is sent with its length, which simple servers want.
  const body = streams ? request.body : Buffer.from(await request.arrayBuffer())
  return { request, body, streams }
}

function parsed(input: string, port: number): URL {
  try {
    return new URL(input, `http://localhost:${port}`)
  } catch (cause) {
    throw new InvalidArgumentError(`box.fetch: argument \`input\`: expected a URL or a path, got '${input}'`, { cause })
  }
}

/** Refuses a URL that is not of the box. */
function located(url: URL): URL {
  if (url.protocol !== 'http:' || !HERE.test(url.hostname)) {
    const hint =
      "it reaches the box alone, as 'http://localhost:PORT/path'; for TLS, give `box.connect()` to `tls.connect({ socket })`"
    throw new InvalidArgumentError(`box.fetch: argument \`input\`: expected a URL of the box, got '${url.href}'`, {
      hint,
    })
  }
  return url
}

/** Sends a request and waits for the head of its answer. */
function exchange(
  connect: (port: number) => Connection,
  url: URL,
  method: string,
  headers: Headers,
  body: Prepared['body'],
  signal: AbortSignal,
): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const connection = connect(Number(url.port || 80))
    const sent = begin({
      host: url.hostname,
      port: url.port || 80,
      path: url.pathname + url.search,
      method,
      headers: headersOf(headers, body),
      createConnection: () => connection,
    })
    let head: IncomingMessage | undefined
    const forget = onAbort(signal, () => {
      reject(signal.reason)
      // The reader of a body gets the reason, too.
      ;(head ?? connection).destroy(signal.reason)
    })
    const fail = (error: Error) => {
      forget()
      connection.destroy()
      reject(signal.aborted ? signal.reason : failed(error))
    }
    sent.on('error', fail)
    sent.on('response', answer => {
      head = answer
      // An abort also ends the body, until that is over.
      answer.once('close', () => {
        forget()
        connection.destroy()
      })
      resolve(answer)
    })
    sent.on('upgrade', () => fail(new Error('the service switches to another protocol: use `box.connect()`')))
    if (body === undefined || Buffer.isBuffer(body)) sent.end(body)
    else
      Readable.fromWeb(body as never)
        .on('error', fail)
        .pipe(sent)
  })
}

function headersOf(headers: Headers, body: Prepared['body']): Record<string, string> {
  const all: Record<string, string> = { accept: '*/*', 'accept-encoding': 'gzip, deflate', 'user-agent': 'node' }
  for (const [name, value] of headers) all[name] = value
  if (Buffer.isBuffer(body)) all['content-length'] = String(body.length)
  return all
}

/** The answer as the standard has it. */
function response(answer: IncomingMessage, url: URL, method: string, redirected: boolean): Response {
  const headers = new Headers()
  for (let at = 0; at < answer.rawHeaders.length; at += 2) {
    headers.append(answer.rawHeaders[at] as string, answer.rawHeaders[at + 1] as string)
  }
  const status = answer.statusCode as number
  const empty = method === 'HEAD' || EMPTY.has(status)
  if (empty) answer.resume()
  const body = empty ? null : (Readable.toWeb(decoded(answer)) as ReadableStream<Uint8Array>)
  const made = new Response(body, { status, statusText: answer.statusMessage ?? '', headers })
  for (const [name, value] of Object.entries({ url: url.href, redirected }))
    Object.defineProperty(made, name, { value })
  return made
}

/** The body without the encodings in which it was sent. */
function decoded(answer: IncomingMessage): Readable {
  const encodings = (answer.headers['content-encoding'] ?? '').toLowerCase().split(',')
  const names = encodings.map(name => name.trim()).filter(name => name !== '')
  const decoders = names.reverse().map(decoder)
  const known = decoders.every(made => made !== undefined)
  let body: Readable = answer
  for (const next of known ? (decoders as Transform[]) : []) {
    const before: Readable = body
    before.on('error', error => next.destroy(error))
    next.once('close', () => before.destroy())
    body = before.pipe(next)
  }
  return body
}

function decoder(encoding: string): Transform | undefined {
  const lenient = { flush: zlib.Z_SYNC_FLUSH, finishFlush: zlib.Z_SYNC_FLUSH }
  if (encoding === 'gzip' || encoding === 'x-gzip') return createGunzip(lenient)
  if (encoding === 'deflate') return createInflate(lenient)
  if (encoding === 'br') return createBrotliDecompress()
  return undefined
}

/** The error of a request that broke: what boxlite knows by its code, everything else as `fetch` has it. */
function failed(cause: Error): Error {
  return cause instanceof BoxliteError ? cause : new TypeError('fetch failed', { cause })
}
