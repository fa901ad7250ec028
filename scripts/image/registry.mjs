// A registry in this process, on loopback, that serves one OCI layout under every name through the pull endpoints of the OCI
// distribution-spec. Called by the bench, and by the tests of hostile registries, which make it misbehave.
import { existsSync, readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { join } from 'node:path'

/**
 * @typedef {object} Faults
 * @property {(bytes: Buffer) => Buffer} [blob] replaces a blob's bytes
 * @property {number} [cutAfter] breaks the connection after this many bytes of each blob
 * @property {number} [stallAfter] sends this many bytes of each blob and then stalls
 * @property {number} [status] the status of every response but that to `/v2/`
 */
/**
 * @typedef {object} LoopbackRegistry
 * @property {string} host
 * @property {string[]} requests the requested paths
 * @property {{ digest: string, bytes: number }[]} served the blobs that were served, with the number of requested bytes
 * @property {Faults} faults
 * @property {() => Promise<void>} stop
 */

/**
 * Serves the layout in `folder` until `stop` is called.
 * @param {string} folder @param {Faults} [faults]
 * @returns {Promise<LoopbackRegistry>}
 */
export async function serveLayout(folder, faults = {}) {
  /** @type {string[]} */
  const requests = []
  /** @type {LoopbackRegistry['served']} */
  const served = []
  const top = JSON.parse(readFileSync(join(folder, 'index.json'), 'utf8')).manifests[0].digest
  const server = createServer((request, response) => {
    const path = request.url ?? ''
    requests.push(path)
    if (path === '/v2/') return void response.end('{}')
    if (faults.status !== undefined) return void response.writeHead(faults.status).end('{}')
    const [, kind, name = ''] = /\/(manifests|blobs)\/([^/]+)$/.exec(path) ?? []
    const digest = name.startsWith('sha256:') ? name : top
    const file = join(folder, 'blobs', digest.replace(':', '/'))
    if (kind === undefined || !existsSync(file)) return void response.writeHead(404).end('{}')
    if (kind === 'manifests') sendManifest(response, readFileSync(file), digest)
    else served.push({ digest, bytes: sendBlob(request, response, readFileSync(file), faults) })
  })
  await new Promise(listening => server.listen(0, '127.0.0.1', () => listening(undefined)))
  const { port } = /** @type {import('node:net').AddressInfo} */ (server.address())
  return {
    host: `127.0.0.1:${port}`,
    requests,
    served,
    faults,
    stop: () =>
      new Promise(stopped => {
        server.close(() => stopped())
        server.closeAllConnections()
      }),
  }
}

/** @param {import('node:http').ServerResponse} response @param {Buffer} bytes @param {string} digest */
function sendManifest(response, bytes, digest) {
  const { mediaType } = JSON.parse(bytes.toString())
  response.writeHead(200, { 'content-type': mediaType, 'docker-content-digest': digest }).end(bytes)
}

/**
 * Sends a blob, or the rest of it if the request has a range to the end, as a resumed download does (RFC 9110, 14). Returns how many
 * bytes that is without the faults.
 * @param {import('node:http').IncomingMessage} request @param {import('node:http').ServerResponse} response
 * @param {Buffer} bytes @param {Faults} faults
 */
function sendBlob(request, response, bytes, { blob, cutAfter, stallAfter }) {
  const whole = blob ? blob(bytes) : bytes
  const from = Number(/^bytes=(\d+)-/.exec(request.headers.range ?? '')?.[1] ?? 0)
  const body = whole.subarray(from)
  const range = from > 0 ? { 'content-range': `bytes ${from}-${whole.length - 1}/${whole.length}` } : {}
  const type = { 'content-type': 'application/octet-stream', 'content-length': body.length }
  response.writeHead(from > 0 ? 206 : 200, { ...type, ...range })
  if (stallAfter !== undefined) response.write(body.subarray(0, stallAfter))
  else if (cutAfter === undefined || body.length <= cutAfter) response.end(body)
  else response.write(body.subarray(0, cutAfter), () => response.destroy())
  return body.length
}
