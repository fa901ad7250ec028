// What a box reaches by default, through the gateway: TCP, UDP, echo and names, as programs of Debian see them. Titles name rows of the list of
// network pitfalls (`__test__/house/network-pitfalls.test.ts`).
import { beforeAll, expect, it } from 'vitest'
import { networkLayout } from '../../../scripts/image/debian.mjs'
import { useHomes } from '../../support/homes.js'
import { type Host, useInternet, WORLD } from '../../support/internet.js'

const homes = useHomes()
const internet = useInternet(homes)
let host: Host
let box: string

beforeAll(async () => {
  host = await internet.start(homes.folder())
  box = await host.create({ image: await networkLayout(), network: 'default', memoryMib: 512 })
}, 900_000)

const sh = (line: string) => host.sh(box, line)
const output = (line: string) => host.output(box, line)
const python = (program: string) => output(`python3 -c '${program}'`)
/** The seconds that a line takes, whatever its end is, and its output. */
async function timed(line: string) {
  const began = performance.now()
  return { text: await output(line), seconds: (performance.now() - began) / 1000 }
}

it('TCP: reaches web servers by address and by name', async () => {
  expect(await output(`curl -sS http://${WORLD.web}/`)).toBe(`hello from ${WORLD.web}\n`)
  expect(await output('curl -sS http://alias.example/')).toBe(`hello from ${WORLD.web}\n`)
  expect(await internet.seen()).toContainEqual({
    kind: 'http',
    to: WORLD.web,
    from: WORLD.host,
    detail: 'GET alias.example /',
  })
})

it('TCP: moves megabytes each way, unchanged', async () => {
  expect(await output(`curl -sS http://web.example/bytes/20000000 | wc -c`)).toBe('20000000\n')
  const echo = `head -c 3000000 /dev/urandom > /tmp/a; python3 -c '
import socket, threading
data = open("/tmp/a", "rb").read()
s = socket.create_connection(("${WORLD.web}", 7))
threading.Thread(target=lambda: (s.sendall(data), s.shutdown(socket.SHUT_WR))).start()
back = b"".join(iter(lambda: s.recv(65536), b""))
print(back == data)'`
  expect(await output(echo)).toBe('True\n')
  expect(await output('head -c 5000000 /dev/zero | curl -sS -T - http://web.example/sink')).toBe('5000000\n')
})

it('network pitfalls: half-close: an end passes each way', async () => {
  const program = `
import socket
s = socket.create_connection(("${WORLD.web}", 9))
s.sendall(b"x" * 1000); s.shutdown(socket.SHUT_WR)
print(s.recv(100).decode(), end="")`
  expect(await python(program)).toBe('1000\n')
})

it('network pitfalls: RST: a refused connection and a reset one are that, at once', async () => {
  const program = (port: number) => `
import socket
try:
    s = socket.create_connection(("${WORLD.web}", ${port}), 20); print(s.recv(1))
except Exception as e: print(type(e).__name__)`
  expect(await python(program(81))).toBe('ConnectionRefusedError\n')
  expect(await python(program(10))).toBe('ConnectionResetError\n')
})

it('never accepts before the peer has: what can not be reached says so, what is silent is silent', async () => {
  const program = (address: string) => `
import socket
try:
    socket.create_connection(("${address}", 80), 3); print("connected")
except Exception as e: print(type(e).__name__, getattr(e, "errno", None))`
  expect(await python(program(WORLD.unreachable))).toBe('OSError 113\n')
  expect(await python(program(WORLD.blackHole))).toMatch(/^(TimeoutError|timeout) /)
})

it('network pitfalls: UDP size: datagrams are answered, large ones too', async () => {
  const program = `
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.settimeout(20)
for size in (1, 1472, 1473, 9000, 40000):
    data = bytes(i % 251 for i in range(size)); s.sendto(data, ("${WORLD.web}", 7))
    print(size, s.recv(65535) == data)`
  expect(await python(program)).toBe('1 True\n1472 True\n1473 True\n9000 True\n40000 True\n')
})

it('UDP: a closed port is refused, not silent', async () => {
  const program = `
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.settimeout(20)
s.connect(("${WORLD.web}", 99)); s.send(b"x")
try: s.recv(1)
except Exception as e: print(type(e).__name__)`
  expect(await python(program)).toBe('ConnectionRefusedError\n')
})

it('network pitfalls: ping: hosts answer, silent ones do not', async () => {
  expect(await output(`ping -c 3 -i 0.2 ${WORLD.web}`)).toContain('3 received')
  expect(await output('ping -c 1 web.example')).toContain('1 received')
  expect(await output(`ping -c 1 -s 4000 ${WORLD.web}`)).toContain('1 received')
  expect(await output(`ping -c 1 -W 1 ${WORLD.blackHole}`)).toContain('0 received')
})

it('network pitfalls: DNS over TCP and EDNS, truncation: long answers arrive whole', async () => {
  expect(await output('dig +short web.example +notcp web.example +tcp')).toBe(`${WORLD.web}\n`.repeat(2))
  // Several questions of one dig, since starting it takes most of the time.
  const ways = ['+bufsize=4096', '+noedns', '+tcp', '+bufsize=512'].map(how => `long.example TXT ${how}`)
  expect(await output(`dig +short ${ways.join(' ')} | tr -d '" '`)).toMatch(/^(x{2000}end\n){4}$/)
  expect(await output('dig +noedns +ignore long.example TXT')).toMatch(/flags: [^;]*\btc\b/)
})

it('DNS: a name that is not, and one without IPv6', async () => {
  expect(await output('dig nothing.example')).toContain('status: NXDOMAIN')
  const none = await output('dig web.example AAAA')
  expect(none).toContain('status: NOERROR')
  expect(none).toContain('ANSWER: 0')
})

it('network pitfalls: IPv6 without a route: no address, no AAAA, no wait', async () => {
  expect(await output('ip -6 address show scope global')).toBe('')
  expect(await output('dig +short both.example AAAA')).toBe('')
  expect(await output('curl -sS http://both.example/')).toBe(`hello from ${WORLD.web}\n`)
})

it('network pitfalls: search domains: short names are completed', async () => {
  expect(await output('curl -sS http://db/')).toBe(`hello from ${WORLD.web}\n`)
})

it('network pitfalls: upstream choice: another resolver is asked when one dies, and when the host names another', async () => {
  internet.setResolvers(`nameserver ${WORLD.resolver}\nnameserver ${WORLD.second}\n`)
  await internet.stopResolver(WORLD.resolver)
  expect(await output('curl -sS http://other.example/')).toBe(`hello from ${WORLD.other}\n`)
  internet.setResolvers(`nameserver ${WORLD.second}\n`)
  await internet.setRecords('fresh.example', { A: [WORLD.other] })
  expect(await output('curl -sS http://fresh.example/')).toBe(`hello from ${WORLD.other}\n`)
  await internet.startResolver(WORLD.resolver)
  internet.setResolvers(`search corp.example\nnameserver ${WORLD.resolver}\n`)
})

it('the host loses its network and gets it back: errors, and the box goes on', async () => {
  internet.setCable(false)
  const { text, seconds } = await timed(`curl -sS --max-time 20 http://${WORLD.web}/`)
  expect(text).toMatch(/curl: \(7\)/)
  expect(seconds).toBeLessThan(15)
  internet.setCable(true)
  expect(await output(`curl -sS http://${WORLD.web}/`)).toBe(`hello from ${WORLD.web}\n`)
})

it('/etc/resolv.conf: an edit that a user made stays over a restart', async () => {
  await sh('echo "# mine" >> /etc/resolv.conf')
  await host.peer.run(async (runtime, id) => (await runtime.get(id)).restart(), box)
  expect(await output('tail -n 1 /etc/resolv.conf')).toBe('# mine\n')
  expect(await output('curl -sS http://web.example/')).toBe(`hello from ${WORLD.web}\n`)
})
