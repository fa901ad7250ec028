// A name server with fixed records, over UDP and TCP (RFC 1035) and with the sizes of EDNS (RFC 6891). Started by world.mjs, for tests of
// the name server that a box asks.
import { createSocket } from 'node:dgram'
import { createServer } from 'node:net'

/** @typedef {{ A?: string[], AAAA?: string[], CNAME?: string, TXT?: string[] }} Records of one name */
/** @typedef {{ id: number, name: string, type: number, question: Buffer, size: number }} Query */
/** @typedef {(query: { name: string, type: string, over: 'udp' | 'tcp' }) => void} OnQuery */

const TYPES = { A: 1, CNAME: 5, TXT: 16, AAAA: 28 }
const OPT = 41
/** The largest answer over UDP to a client without EDNS (RFC 1035, 4.2.1). */
const PLAIN_SIZE = 512
const TRUNCATED = 0x0200
/** Response, recursion desired and available. */
const ANSWER = 0x8180
const NAME_ERROR = 3

/**
 * Serves `zone` at `address`. `zone` may be changed while it serves.
 * @param {string} address @param {Record<string, Records>} zone @param {OnQuery} onQuery
 * @returns {Promise<{ close(): void }>}
 */
export async function serveNames(address, zone, onQuery) {
  const udp = createSocket(address.includes(':') ? 'udp6' : 'udp4')
  udp.on('message', (message, from) => {
    const query = parse(message)
    if (!query) return
    const whole = answer(query, zone, onQuery, 'udp')
    const fits = whole.length <= query.size
    udp.send(fits ? whole : truncated(query), from.port, from.address)
  })
  const tcp = createServer(socket => {
    let waiting = Buffer.alloc(0)
    socket.on('error', () => {})
    socket.on('data', data => {
      waiting = Buffer.concat([waiting, data])
      while (waiting.length >= 2 && waiting.length >= 2 + waiting.readUInt16BE()) {
        const query = parse(waiting.subarray(2, 2 + waiting.readUInt16BE()))
        waiting = waiting.subarray(2 + waiting.readUInt16BE())
        if (!query) {
          socket.destroy()
          return
        }
        const whole = answer(query, zone, onQuery, 'tcp')
        socket.write(Buffer.concat([number16(whole.length), whole]))
      }
    })
  })
  await new Promise(bound => udp.bind(53, address, () => bound(undefined)))
  await new Promise(bound => tcp.listen(53, address, () => bound(undefined)))
  return {
    close() {
      udp.close()
      tcp.close()
    },
  }
}

/** @param {Buffer} message @returns {Query | undefined} */
function parse(message) {
  const labels = []
  let at = 12
  for (;;) {
    const length = message[at]
    if (length === undefined || length > 63) return undefined
    at += 1
    if (length === 0) break
    labels.push(message.toString('latin1', at, at + length))
    at += length
  }
  if (at + 4 > message.length) return undefined
  const question = message.subarray(12, at + 4)
  const type = message.readUInt16BE(at)
  // The only additional record that a query has is OPT, whose class is the size: name (0), type, class.
  const edns = message.readUInt16BE(10) > 0 && message.readUInt16BE(at + 5) === OPT
  const size = edns ? Math.max(PLAIN_SIZE, message.readUInt16BE(at + 7)) : PLAIN_SIZE
  return { id: message.readUInt16BE(0), name: labels.join('.').toLowerCase(), type, question, size }
}

/** @param {Query} query @param {Record<string, Records>} zone @param {OnQuery} onQuery @param {'udp' | 'tcp'} over */
function answer(query, zone, onQuery, over) {
  const type = Object.entries(TYPES).find(([, number]) => number === query.type)?.[0] ?? String(query.type)
  onQuery({ name: query.name, type, over })
  const answers = []
  let name = query.name
  for (let alias = zone[name]?.CNAME; alias !== undefined; alias = zone[name]?.CNAME) {
    answers.push(record(name, TYPES.CNAME, encodeName(alias)))
    name = alias
  }
  const records = zone[name]
  if (type === 'A') for (const text of records?.A ?? []) answers.push(record(name, TYPES.A, v4(text)))
  if (type === 'AAAA') for (const text of records?.AAAA ?? []) answers.push(record(name, TYPES.AAAA, v6(text)))
  if (type === 'TXT') {
    for (const text of records?.TXT ?? []) {
      const parts = text.match(/.{1,255}/g) ?? []
      const encoded = parts.map(part => Buffer.concat([Buffer.from([part.length]), Buffer.from(part, 'latin1')]))
      answers.push(record(name, TYPES.TXT, Buffer.concat(encoded)))
    }
  }
  return message(query, ANSWER | (records ? 0 : NAME_ERROR), answers)
}

/** @param {Query} query */
const truncated = query => message(query, ANSWER | TRUNCATED, [])

/** @param {Query} query @param {number} flags @param {Buffer[]} answers */
const message = (query, flags, answers) =>
  Buffer.concat([...[query.id, flags, 1, answers.length, 0, 0].map(number16), Buffer.from(query.question), ...answers])

/** @param {string} name @param {number} type @param {Buffer} data */
const record = (name, type, data) =>
  Buffer.concat([encodeName(name), ...[type, 1, 0, 1, data.length].map(number16), data])

/** @param {string} name */
const encodeName = name =>
  Buffer.concat([
    ...name.split('.').map(label => Buffer.concat([Buffer.from([label.length]), Buffer.from(label, 'latin1')])),
    Buffer.from([0]),
  ])

/** @param {number} value */
const number16 = value => Buffer.from([value >> 8, value & 0xff])
/** @param {string} text */
const v4 = text => Buffer.from(text.split('.').map(Number))
/** Encodes an address that has one `::`. @param {string} text */
function v6(text) {
  const [head = '', tail = ''] = text.split('::')
  const groups = [head, tail].map(half =>
    half
      .split(':')
      .filter(Boolean)
      .map(group => Number.parseInt(group, 16)),
  )
  const [front = [], back = []] = groups
  return Buffer.concat([...front, ...Array(8 - front.length - back.length).fill(0), ...back].map(number16))
}
