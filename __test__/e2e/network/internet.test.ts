// The test's own internet is what the other files of this folder take it for: seen from the host, without any box.
import { expect, it } from 'vitest'
import { useHomes } from '../../support/homes.js'
import { layout } from '../../support/images.js'
import { useInternet, WORLD } from '../../support/internet.js'

const homes = useHomes()
const internet = useInternet(homes, { ipv6: true })

const RESET = `require('net').connect(10, '${WORLD.web}').on('error', error => console.log(error.code))`
const HALF_CLOSE = `
  const socket = require('net').connect({ port: 9, host: '${WORLD.web}', allowHalfOpen: true })
  process.stdin.pipe(socket)
  socket.pipe(process.stdout)`

/** Runs a line on the host and returns its output, also if the line fails. */
const line = (text: string) => internet.onHost('sh', '-c', `{ ${text}; } 2>&1; true`)

it('answers on its web servers, by address and by name', async () => {
  expect(line(`busybox wget -qO- http://${WORLD.web}/`)).toBe(`hello from ${WORLD.web}\n`)
  expect(line('busybox wget -qO- http://alias.example/')).toBe(`hello from ${WORLD.web}\n`)
  expect(line('busybox wget -qO- http://db/')).toBe(`hello from ${WORLD.web}\n`)
  expect(line(`busybox wget -qO- http://other.example/bytes/1000000 | wc -c`).trim()).toBe('1000000')
  const seen = await internet.seen()
  expect(seen).toContainEqual({ kind: 'http', to: WORLD.web, from: WORLD.host, detail: 'GET db /' })
  expect(seen.filter(({ kind, detail }) => kind === 'dns' && detail?.startsWith('db.corp.example'))).not.toEqual([])
})

it('has IPv6', () => {
  expect(line(`busybox wget -qO- 'http://[${WORLD.web6}]/'`)).toBe(`hello from ${WORLD.web6}\n`)
})

it('speaks TLS with certificates of its authority', async () => {
  const program = `fetch('https://web.example/version').then(r => r.text()).then(console.log)`
  const through = (authority: string) =>
    internet.onHost('env', `NODE_EXTRA_CA_CERTS=${authority}`, process.execPath, '-e', program)
  expect(through(internet.authority)).toBe('1.1\n')
  expect(await internet.seen()).toContainEqual({ kind: 'tls', to: WORLD.web, from: WORLD.host, detail: 'web.example' })
  expect(() => through('/dev/null')).toThrow('UNABLE_TO_VERIFY_LEAF_SIGNATURE')
})

it('has addresses that refuse, swallow, reset and can not be reached', () => {
  expect(line(`busybox nc -w 2 ${WORLD.web} 81 < /dev/null`)).toContain('Connection refused')
  expect(line(`busybox nc -w 2 ${WORLD.unreachable} 80 < /dev/null`)).toContain('No route to host')
  expect(line(`timeout 1 busybox nc ${WORLD.blackHole} 80 < /dev/null; echo $?`).trim()).toBe('124')
  expect(line(`${process.execPath} -e "${RESET}"`)).toBe('ECONNRESET\n')
})

it('has a half-closed connection, and an echo', () => {
  expect(line(`printf 12345 | busybox nc ${WORLD.web} 7`)).toBe('12345')
  expect(line(`head -c 1000 /dev/zero | ${process.execPath} -e "${HALF_CLOSE}"`)).toBe('1000\n')
})
it('tells what has reached a trap', async () => {
  expect(line(`busybox wget -qO- http://${WORLD.metadata}/`)).toBe('trapped')
  expect(await internet.seen()).toEqual([{ kind: 'trap', to: WORLD.metadata, from: WORLD.host, detail: 'tcp 80' }])
})

it('loses its resolver and its cable, and gets them back', async () => {
  await internet.stopResolver(WORLD.resolver)
  expect(line('timeout 1 busybox wget -qO- http://web.example/; echo $?')).not.toContain('hello')
  internet.setResolvers(`nameserver ${WORLD.second}\n`)
  expect(line('busybox wget -qO- http://web.example/')).toBe(`hello from ${WORLD.web}\n`)
  await internet.startResolver(WORLD.resolver)
  internet.setCable(false)
  expect(line(`busybox wget -qO- http://${WORLD.web}/`)).toContain('unreachable')
  internet.setCable(true)
  expect(line(`busybox wget -qO- http://${WORLD.web}/`)).toBe(`hello from ${WORLD.web}\n`)
})

it('runs boxes on the host', async () => {
  const host = await internet.start(homes.folder())
  const id = await host.create({ image: await layout(homes) })
  expect(await host.sh(id, 'echo $((6 * 7))')).toEqual({ exitCode: 0, stdout: '42\n', stderr: '' })
  const pid = await host.peer.run(async (runtime, id) => (await (await runtime.get(id)).info()).pid, id)
  expect(internet.onHost('readlink', `/proc/${pid}/ns/net`)).toBe(internet.onHost('readlink', '/proc/self/ns/net'))
})
