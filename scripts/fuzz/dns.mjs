// Samples of DNS messages for the fuzz target `dns`: queries, and answers with aliases, addresses, services, and a name that points to
// itself (RFC 1035). Called by seeds.mjs.

const TYPES = { A: 1, CNAME: 5, PTR: 12, MX: 15, TXT: 16, AAAA: 28, OPT: 41, HTTPS: 65 }
/** The name of the question, as a compression pointer. */
const ASKED = Buffer.from([0xc0, 12])

/** @returns {Buffer[]} */
export function dnsMessages() {
  const v4 = [192, 0, 2, 1]
  const v6 = [0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]
  const options = record([0], 'OPT', [], 1232)
  const cdn = name('cdn.example')
  const service = [0, 1, 0, ...[0, 1, 0, 3, 2, 0x68, 0x32], ...[0, 4, 0, 4, ...v4]]
  return [
    message(question('a.test', 'A'), [], [options]),
    message(question('4.3.2.1.in-addr.arpa', 'PTR')),
    message(
      question('c.test', 'A'),
      [v4, [10, 0, 0, 1], [127, 0, 0, 1]].map(address => record(ASKED, 'A', address)),
      [options],
    ),
    message(question('www.c.test', 'AAAA'), [record(ASKED, 'CNAME', cdn), record(cdn, 'AAAA', v6)]),
    message(question('c.test', 'HTTPS'), [record(ASKED, 'HTTPS', service)]),
    message(question('c.test', 'TXT'), [
      record(ASKED, 'TXT', [5, ...Buffer.from('hello'), 255, ...Buffer.alloc(255, 'x')]),
    ]),
    message(question('c.test', 'CNAME'), [record(ASKED, 'CNAME', [0xc0, 36])]),
    message(question('c.test', 'MX'), [record(ASKED, 'MX', [0, 10, ...ASKED])], [record(ASKED, 'A', v4)]),
  ]
}

/** @param {Buffer} question @param {Buffer[]} answers @param {Buffer[]} additionals */
function message(question, answers = [], additionals = []) {
  const flags = answers.length > 0 ? 0x8180 : 0x0100
  return Buffer.concat([
    numbers(0x1234, flags, 1, answers.length, 0, additionals.length),
    question,
    ...answers,
    ...additionals,
  ])
}

/** @param {string} asked @param {keyof typeof TYPES} type */
function question(asked, type) {
  return Buffer.concat([name(asked), numbers(TYPES[type], 1)])
}

/** @param {Uint8Array | number[]} owner @param {keyof typeof TYPES} type @param {Uint8Array | number[]} data */
function record(owner, type, data, class_ = 1) {
  return Buffer.concat([Buffer.from(owner), numbers(TYPES[type], class_, 0, 60, data.length), Buffer.from(data)])
}

/** @param {string} text */
function name(text) {
  return Buffer.concat([
    ...text.split('.').map(label => Buffer.from([label.length, ...Buffer.from(label)])),
    Buffer.from([0]),
  ])
}

/** Numbers of two bytes each. @param {number[]} values */
function numbers(...values) {
  return Buffer.from(values.flatMap(value => [value >> 8, value & 0xff]))
}
