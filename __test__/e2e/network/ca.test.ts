// Authorities that a box is given: programs of a Debian box trust a server whose certificate they have signed, by the system's store and by
// the variables, in commands and in the main process; and stores in the layouts of other distributions. Titles that begin with "network
// pitfalls" name the mistake of other sandboxes that they exclude.
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, expect, it } from 'vitest'
import type { BoxOptions } from '../../../index.mjs'
import { networkLayout } from '../../../scripts/image/debian.mjs'
import { useHomes } from '../../support/homes.js'
import { directory, file, layout, link } from '../../support/images.js'
import { type Host, useInternet, WORLD } from '../../support/internet.js'

const homes = useHomes()
const internet = useInternet(homes)
const BUNDLE = '/etc/boxlite/ca-certificates.crt'
const HELLO = `hello from ${WORLD.web}\n`
const VARIABLES = ['SSL_CERT_FILE', 'NODE_EXTRA_CA_CERTS', 'REQUESTS_CA_BUNDLE', 'PIP_CERT', 'GIT_SSL_CAINFO']
let host: Host
let debian: string
let box: string

beforeAll(async () => {
  host = await internet.start(homes.folder())
  debian = await networkLayout()
  box = await host.create({ image: debian, network: { ca: internet.authority }, memoryMib: 512 })
}, 900_000)

const output = (line: string, id = box) => host.output(id, line)
const variables = (names: string[]) => `for v in ${names.join(' ')}; do eval echo "$v=\\$$v"; done`
const expected = VARIABLES.map(name => `${name}=${BUNDLE}\n`).join('')
/** A line by which a certificate is known. */
const lineOf = (file: string) => readFileSync(file, 'utf8').trim().split('\n')[1] as string
const remove = (id: string) => host.peer.run(async (runtime, id) => runtime.remove(id, { force: true }), id)

it('network pitfalls: corporate CA, proxy: programs trust it by the store of the system', async () => {
  expect(await output(variables(VARIABLES))).toBe(expected)
  for (const program of ['curl -sS', 'wget -qO-', `env ${VARIABLES.map(name => `-u ${name}`).join(' ')} curl -sS`]) {
    expect(await output(`${program} https://web.example/`), program).toBe(HELLO)
  }
  expect(await output(`git ls-remote https://web.example/repository.git`)).not.toMatch(/certificate/i)
  expect(
    await output('openssl s_client -connect web.example:443 < /dev/null 2>&1 | grep -c "Verify return code: 0"'),
  ).not.toBe('0\n')
})

it('network pitfalls: corporate CA, proxy: python, requests of pip and node find it by the variables', async () => {
  const ssl = `import urllib.request; print(urllib.request.urlopen("https://web.example/").read().decode(), end="")`
  expect(await output(`python3 -c '${ssl}'`)).toBe(HELLO)
  const pip = await output('pip download --no-deps --index-url https://web.example/simple nothing')
  expect(pip).not.toMatch(/certificate|SSLError/i)
  expect(pip).toContain('No matching distribution')
})

it('network pitfalls: corporate CA, proxy: the authorities of the image stay, and it survives the update of the store', async () => {
  const own = await output(
    `sed '/^# boxlite: authorities/,/^# boxlite: end/d' /etc/ssl/certs/ca-certificates.crt | grep -c BEGIN`,
  )
  expect(Number(own)).toBeGreaterThan(100)
  expect(Number(await output(`grep -c BEGIN ${BUNDLE}`))).toBe(Number(own) + 1)
  // Into a store of its own and without the image's, which take minutes under emulation.
  const update = 'update-ca-certificates --certsconf /tmp/conf --etccertsdir /tmp/certs > /tmp/log 2>&1 || cat /tmp/log'
  const line = `mkdir /tmp/certs; : > /tmp/conf; ${update}; grep -cF '${lineOf(internet.authority)}' /tmp/certs/ca-certificates.crt`
  expect(await output(line)).toBe('1\n')
  await host.peer.run(async (runtime, id) => (await runtime.get(id)).restart(), box)
  expect(await output('env -i curl -sS https://web.example/')).toBe(HELLO)
  expect(await output('grep -c "^# boxlite: authorities" /etc/ssl/certs/ca-certificates.crt')).toBe('1\n')
})

it('the main process has the variables and the store', async () => {
  const program = `${variables(VARIABLES)}; grep -c BEGIN ${BUNDLE}; sleep 1000`
  const image = await layout(homes)
  const options: BoxOptions = { image, network: { ca: internet.authority }, entrypoint: ['sh', '-c', program] }
  const id = await host.create(options)
  const text = await host.peer.run(async (runtime, id) => {
    const box = await runtime.get(id)
    for (let tries = 0; tries < 200; tries++) {
      let text = ''
      for await (const entry of box.logs()) if (entry.stream === 'stdout') text += entry.data
      if (/^\d+$/m.test(text)) return text
      await new Promise(resolve => setTimeout(resolve, 50))
    }
    throw new Error('the main process says nothing')
  }, id)
  expect(text).toBe(`${expected}1\n`)
  await remove(id)
})

it('stores of Alpine, Fedora and SUSE are added to, whether files or links', async () => {
  const image = '-----BEGIN CERTIFICATE-----\nMIIBimage\n-----END CERTIFICATE-----\n'
  const layer = [
    directory('etc/ssl'),
    directory('etc/ssl/certs'),
    file('etc/ssl/certs/ca-certificates.crt', image),
    link('etc/ssl/cert.pem', 'certs/ca-certificates.crt'),
    directory('etc/pki'),
    directory('etc/pki/tls'),
    directory('etc/pki/tls/certs'),
    directory('etc/pki/ca-trust'),
    directory('etc/pki/ca-trust/source'),
    directory('etc/pki/ca-trust/source/anchors'),
    file('etc/pki/tls/certs/ca-bundle.crt', image),
    file('etc/ssl/ca-bundle.pem', image),
  ]
  const id = await host.create({ image: await layout(homes, [layer]), network: { ca: internet.authority } })
  const authority = lineOf(internet.authority)
  const stores = ['ssl/certs/ca-certificates.crt', 'ssl/cert.pem', 'pki/tls/certs/ca-bundle.crt', 'ssl/ca-bundle.pem']
  for (const store of [...stores.map(name => `/etc/${name}`), BUNDLE]) {
    expect(await output(`grep -c MIIBimage ${store}; grep -cF '${authority}' ${store}`, id), store).toBe('1\n1\n')
  }
  expect(await output(`grep -cF '${authority}' /etc/pki/ca-trust/source/anchors/boxlite.crt`, id)).toBe('1\n')
  await remove(id)
})

it('`host` gives it the store of the host, and an image without a store gets one', async () => {
  const store = join(homes.folder(), 'store.crt')
  writeFileSync(store, `# the host's\n${readFileSync(internet.authority, 'utf8')}`)
  await host.peer.run((_, store) => void Object.assign(process.env, { SSL_CERT_FILE: store }), store)
  const id = await host.create({ image: await layout(homes), network: { ca: 'host' } })
  const own = await host.create({ image: await layout(homes), network: 'default' })
  expect(await output(`cat ${BUNDLE}`, id)).toBe(readFileSync(internet.authority, 'utf8'))
  expect(await output(`ls ${BUNDLE}; ${variables(VARIABLES)}`, own)).toMatch(
    /^ls: .*No such file or directory\n(\w+=\n){5}$/,
  )
  await remove(id)
  await remove(own)
  await host.peer.run(() => void delete process.env.SSL_CERT_FILE, undefined)
})

it('a file that is none, or has no certificate, is refused by name', async () => {
  const empty = join(homes.folder(), 'empty.pem')
  writeFileSync(empty, 'nothing')
  const image = await layout(homes)
  for (const [ca, message] of [
    [empty, /has no certificate/],
    ['/nowhere/ca.pem', /read `\/nowhere\/ca\.pem`/],
  ] as const) {
    const error = await host.create({ image, network: { ca } }).catch(error => error)
    expect(error).toMatchObject({ code: 'INVALID_ARGUMENT' })
    expect(error.message).toMatch(message)
  }
})
