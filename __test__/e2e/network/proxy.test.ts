// A host behind a proxy: what a box sees of it, what leaves through it, and what does not leave without it. The proxy is one of a company: it
// wants a password, makes tunnels to port 443 only, and knows a name that no name server does. Titles that begin with "network pitfalls"
// name the mistake of other sandboxes that they exclude.
import { beforeAll, expect, it } from 'vitest'
import type { BoxOptions, NetworkEvent } from '../../../index.mjs'
import { networkLayout } from '../../../scripts/image/debian.mjs'
import { useHomes } from '../../support/homes.js'
import { type Host, PROXY, useInternet, WORLD } from '../../support/internet.js'

const homes = useHomes()
const internet = useInternet(homes)
const VALUE = 'sk-live-4713-hidden'
const secrets = [{ env: 'API_KEY', value: VALUE, hosts: ['hidden.example'] }]
const NAMES = ['http_proxy', 'https_proxy', 'HTTP_PROXY', 'HTTPS_PROXY', 'no_proxy', 'NO_PROXY']
const HELLO = `hello from ${WORLD.other}\n`
let host: Host
let box: string
let options: BoxOptions

/** Sets variables of the program that starts the boxes. */
const setenv = (variables: Record<string, string>) =>
  host.peer.run((_, variables) => void Object.assign(process.env, variables), variables)

beforeAll(async () => {
  host = await internet.start(homes.folder())
  await setenv({ HTTPS_PROXY: `http://user:p%40ss@${PROXY.address}:3128`, NO_PROXY: 'localhost,.web.example' })
  await host.peer.run((runtime, _, kept) => {
    kept.events = []
    // A listener, since an iteration would keep the program alive.
    kept.source = runtime.events().on('network', event => kept.events.push(event))
  }, undefined)
  options = { image: await networkLayout(), network: { proxy: 'host', ca: internet.authority }, memoryMib: 512 }
  box = await host.create({ ...options, secrets })
}, 900_000)

const output = (line: string, id = box) => host.output(id, line)
/** Runs curl without the variables, as programs are that know nothing of proxies. */
const unaware = (args: string, id = box) =>
  output(`env ${NAMES.map(name => `-u ${name}`).join(' ')} curl -sS --max-time 30 ${args}`, id)
const proxied = async () => {
  const seen = await internet.seen()
  return seen.filter(({ kind }) => kind === 'proxy').map(({ detail }) => detail)
}
const refusals = () => host.peer.run((_, __, kept) => kept.events as NetworkEvent[], undefined)
const update = (allow: string[] | null) =>
  host.peer.run(async (runtime, { box, allow }) => (await runtime.get(box)).network.update({ allow }), { box, allow })

it('network pitfalls: corporate CA, proxy: the box has the variables, and no password', async () => {
  const text = await output(`for v in ${NAMES.join(' ')}; do eval echo "\\$$v"; done; env`)
  const [...lines] = text.split('\n').slice(0, 6)
  expect(lines.slice(0, 4)).toEqual(Array(4).fill('http://gateway.boxlite.internal:3128'))
  expect(lines.slice(4)).toEqual(Array(2).fill('localhost,127.0.0.1,::1,host.boxlite.internal'))
  expect(text).not.toMatch(/p@ss|p%40ss/)
})

it('network pitfalls: corporate CA, proxy: programs reach servers through it, by TLS and without, and names that only it knows', async () => {
  expect(await output('curl -sS https://other.example/ http://other.example/version')).toBe(`${HELLO}1.1`)
  expect(await output('curl -sS http://hidden.example/ https://hidden.example/')).toBe(
    `hello from ${WORLD.other}\n`.repeat(2),
  )
  expect(await proxied()).toEqual([
    'CONNECT other.example:443',
    'GET http://other.example/version',
    'GET http://hidden.example/',
    'CONNECT hidden.example:443',
  ])
  expect(await output('head -c 3000000 /dev/zero | curl -sS -T - http://other.example/sink')).toBe('3000000\n')
  expect(await output('curl -sS http://other.example/bytes/5000000 | wc -c')).toBe('5000000\n')
  const program = `import urllib.request; print(urllib.request.urlopen("https://hidden.example/version").read().decode(), end="")`
  expect(await output(`python3 -c '${program}'`)).toBe('1.1')
})

it('network pitfalls: corporate CA, proxy: wget and git use it, and trust what the host trusts', async () => {
  expect(await output('wget -qO- https://hidden.example/version')).toBe('1.1')
  // What answers is no repository, but its certificate was accepted.
  expect(await output('git ls-remote https://hidden.example/none')).toMatch(/not found|not valid/)
  expect(new Set(await proxied())).toEqual(new Set(['CONNECT hidden.example:443']))
})

it('network pitfalls: corporate CA, proxy: programs that know nothing of proxies use it, too', async () => {
  expect(await unaware('https://other.example/')).toBe(HELLO)
  expect(await proxied()).toEqual(['CONNECT other.example:443'])
})

it('network pitfalls: corporate CA, proxy: what NO_PROXY of the host names is reached directly', async () => {
  expect(await output('curl -sS https://api.web.example/ http://api.web.example/version')).toBe(
    `hello from ${WORLD.web}\n1.1`,
  )
  expect(await unaware('https://api.web.example/')).toBe(`hello from ${WORLD.web}\n`)
  expect(await proxied()).toEqual([])
})

it('secrets are put into requests through the proxy', async () => {
  expect(await output('curl -sS -H "X-Key: $API_KEY" https://hidden.example/noted http://hidden.example/noted')).toBe(
    'noted\nnoted\n',
  )
  const seen = (await internet.seen()).filter(({ kind }) => kind === 'headers')
  const keys = seen.map(({ detail }) => JSON.parse(detail ?? '')['x-key'])
  expect(keys).toEqual([VALUE, `boxlite-${box}-API_KEY-secret`])
})

it('network pitfalls: allow list by name: the proxy of the gateway is no way around the policy', async () => {
  expect(await output(`curl -sS http://${WORLD.metadata}/`)).toContain('refuses 169.254.169.254')
  expect(await output(`curl -sS -p https://${WORLD.private}/`)).toContain('403')
  expect(await output('curl -sS https://rebound.example/')).toContain('403')
  await update(['other.example:443'])
  expect(await output('curl -sS https://other.example/')).toBe(HELLO)
  expect(await output('curl -sS http://other.example/')).toContain('refuses other.example, port 80')
  expect(await output('curl -sS http://hidden.example/')).toContain('refuses hidden.example')
  const sni = `-w '%{http_code}' --connect-to hidden.example:443:other.example:443 https://hidden.example/`
  expect(await output(`curl -sS ${sni}`)).toMatch(/alert|SSL|TLS/)
  await update(['hidden.example'])
  expect(await output('curl -sS https://hidden.example/ http://hidden.example/version')).toBe(`${HELLO}1.1`)
  await update(null)
  expect((await internet.seen()).filter(({ kind }) => kind === 'trap')).toEqual([])
})

it('network pitfalls: corporate CA, proxy: it fails closed, and says so', async () => {
  // Its port 80 is refused by the proxy, to a program that makes a tunnel for it.
  expect(await output('curl -sS -p http://other.example/')).toMatch(/CONNECT tunnel failed, response 502/)
  expect(await unaware('http://other.example/')).toMatch(/Connection reset|Connection refused|Failed to connect/)
  const rules = (await refusals()).map(({ rule }) => rule)
  expect(rules).toContainEqual(
    expect.stringMatching(/^proxy: .* makes no tunnel to other\.example:80: it answers 403$/),
  )
  await setenv({ HTTPS_PROXY: `http://${PROXY.address}:1` })
  const id = await host.create(options)
  expect(await output('curl -sS http://other.example/', id)).toContain(
    `the host's proxy ${PROXY.address}:1 can't be reached`,
  )
  expect(await unaware('https://other.example/', id)).toMatch(/reset|refused|Failed to connect/i)
  expect((await internet.seen()).filter(({ kind }) => kind === 'http' || kind === 'https')).toEqual([])
  await host.peer.run(async (runtime, id) => runtime.remove(id, { force: true }), id)
  await setenv({ HTTPS_PROXY: 'socks5://user:hunter2@proxy.example:1080' })
  const error = await host.create(options).catch(error => error)
  expect(error).toMatchObject({ code: 'INVALID_ARGUMENT', message: expect.stringContaining('HTTPS_PROXY') })
  expect(error.message).not.toContain('hunter2')
})
