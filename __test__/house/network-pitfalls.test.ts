// What the networks of other sandboxes got wrong: each row of that list is the promise that ours gets it right, so that at least one test
// has the row's name after the words "network pitfalls" in its own. Reads the tests of TypeScript and Rust.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { root } from '../../scripts/paths.mjs'
import { sources } from './sources.js'

const ROWS = [
  'MTU',
  'buffers against queue',
  'missed wake-ups',
  'DNS over TCP',
  'EDNS, truncation',
  'search domains',
  'upstream choice',
  'DNS as a leak',
  'other DNS transports',
  'IPv6 without a route',
  'IPv6 tentative',
  'half-close',
  'RST',
  'many connections',
  'UDP lifetime',
  'UDP size',
  'ping',
  'services on the box’s 127.0.0.1',
  '`localhost` picks ::1',
  'inbound bind',
  'name of the host',
  'metadata, private',
  'rebinding',
  'allow list by name',
  'addresses shared by a CDN',
  'hidden refusals',
  'ports in allow lists',
  'corporate CA, proxy',
  'TLS details',
  'QUIC',
  'address pools',
  'frames',
  'socket path',
  'copies of a box',
  'documentation ranges',
]

/** A text as the name of a function of Rust would have it. */
const slug = (text: string) =>
  text
    .toLowerCase()
    .replace(/[’']/g, '')
    .replace(/[^a-z0-9]+/g, '_')
    .replace(/^_|_$/g, '')

/** The names of all tests, as slugs. */
function titles(): string[] {
  const found = (pattern: RegExp, name: RegExp) =>
    sources(pattern).flatMap(path =>
      [...readFileSync(join(root, path), 'utf8').matchAll(name)].map(([, title = '']) => slug(title)),
    )
  return [
    ...found(/^__test__\/.*\.test\.ts$/, /^\s*it(?:\.\w+)?(?:\([^'"`]*\))?\(\s*(?:'((?:\\.|[^'\\])*)')/gm),
    ...found(/\.rs$/, /#\[(?:tokio::)?test[^\]]*\]\s*(?:#\[[^\]]*\]\s*)*(?:async )?fn (\w+)/g),
  ]
}

it('has a test of each mistake of other networks', () => {
  const named = titles().filter(title => title.includes('network_pitfalls_'))
  const without = ROWS.filter(row => !named.some(title => `_${title}_`.includes(`_${slug(row)}_`)))
  expect(without).toEqual([])
})
