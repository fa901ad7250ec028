// Secrets from end to end: what the box has, what the servers get, what of it is anywhere else. The programs in the box are Debian's, and none
// of them knows of boxlite. Titles that begin with "network pitfalls" name the mistake of other sandboxes that they exclude.
import { execFileSync, spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, expect, it } from 'vitest'
import type { NetworkEvent, NetworkUpdateOptions } from '../../../index.mjs'
import { networkLayout } from '../../../scripts/image/debian.mjs'
import { engine, useHomes } from '../../support/homes.js'
import { type Host, useInternet, WORLD } from '../../support/internet.js'
import { machinesOf } from '../../support/leaks.js'

const homes = useHomes()
const internet = useInternet(homes)
const VALUE = 'sk-live-4711-hidden'
const ROTATED = 'sk-live-4712-hidden'
/** What both begin with, and nothing else has. */
const STEM = VALUE.slice(0, -'1-hidden'.length)
const secret = { env: 'API_KEY', value: VALUE, hosts: ['web.example'] }
let home: string
let host: Host
let box: string
let image: string

beforeAll(async () => {
  process.env.BOXLITE_LOG = 'trace'
  home = homes.folder()
  host = await internet.start(home)
  delete process.env.BOXLITE_LOG
  image = await networkLayout()
  await host.peer.run((runtime, _, kept) => {
    kept.events = []
    // A listener, since an iteration would keep the program alive.
    kept.source = runtime.events().on('network', event => kept.events.push(event))
  }, undefined)
  box = await host.create({ image, network: { ca: internet.authority }, secrets: [secret], memoryMib: 512 })
  await output(FEW)
}, 900_000)

/**
 * Takes the image's authorities out of the stores of a box, all but the first: an emulated machine reads all of them for a second, whenever
 * a program starts. `ca.test.ts` leaves them.
 */
const FEW = `store=/etc/ssl/certs/ca-certificates.crt
  { sed '/END CERTIFICATE/q' $store; sed -n '/^# boxlite: authorities/,$p' $store; } > /tmp/few
  cat /tmp/few > $store; cat /tmp/few > /etc/boxlite/ca-certificates.crt; rm /tmp/few`

/** Runs a line and returns its output and errors. */
const output = (line: string, id = box) => host.output(id, line)
const python = (program: string, id = box) => output(`python3 -c '${program}'`, id)
const curl = (args: string, id = box) => output(`curl -sS --max-time 30 ${args}`, id)
const update = (id: string, options: NetworkUpdateOptions) => host.update(id, options)
const placeholder = (id = box) => `boxlite-${id}-API_KEY-secret`

/** What servers were told in headers since the last call. */
async function headers(): Promise<Record<string, string>[]> {
  const seen = await internet.seen()
  return seen
    .filter(({ kind }) => kind === 'headers' || kind === 'upgrade')
    .map(({ detail }) => JSON.parse(detail ?? ''))
}

/** Waits for a refusal to become an event. */
function refusal(rule: string): Promise<NetworkEvent> {
  return host.peer.run(async (_, rule, kept) => {
    for (const end = Date.now() + 20_000; Date.now() < end; ) {
      const found = kept.events.find((event: NetworkEvent) => event.rule.includes(rule))
      if (found) return found
      await new Promise(resolve => setTimeout(resolve, 50))
    }
    throw new Error(`no event has a rule with ${rule}: ${JSON.stringify(kept.events)}`)
  }, rule)
}

/** Who has signed the certificate that a client in the box sees. */
const issuer = (name: string, id = box) =>
  output(`openssl s_client -connect ${name}:443 -servername ${name} < /dev/null 2>&1 | grep -m 1 ^issuer`, id)

it.each(['--http1.1', '--http2'])('%s: headers get the value, and the box has a placeholder', async version => {
  expect(await output('printf %s "$API_KEY"')).toBe(placeholder())
  const line = `${version} -w '%{http_version} ' -H "X-Key: Bearer $API_KEY" -u "user:$API_KEY" https://web.example/noted`
  expect(await curl(line)).toBe(`noted\n${version === '--http2' ? '2' : '1.1'} `)
  const basic = Buffer.from(`user:${VALUE}`).toString('base64')
  expect(await headers()).toMatchObject([{ 'x-key': `Bearer ${VALUE}`, authorization: `Basic ${basic}` }])
  expect(await issuer('web.example')).toContain('CN = BoxLite box ')
})

it('other hosts, and connections without TLS, get the placeholder; no certificate of theirs is replaced', async () => {
  expect(await curl('-H "X-Key: $API_KEY" https://other.example/noted http://web.example/noted')).toBe('noted\nnoted\n')
  expect((await headers()).map(of => of['x-key'])).toEqual([placeholder(), placeholder()])
  expect(await issuer('other.example')).toContain('CN = Authority of tests')
})

it('network pitfalls: TLS details: one connection carries many requests, and bodies of all kinds, unchanged', async () => {
  const digest = (data: Buffer | string) => createHash('sha256').update(data).digest('hex')
  const program = `
import gzip, hashlib, http.client, os
key = os.environ["API_KEY"]
c = http.client.HTTPSConnection("web.example", timeout=60)
def ask(method, path, body=None, headers={}, **more):
    c.request(method, path, body, {"X-Key": key, **headers}, **more)
    answer = c.getresponse()
    return answer, answer.read()
def sha(data): return hashlib.sha256(data).hexdigest()
print(sha(ask("GET", "/bytes/3000000")[1]))
data = bytes(range(251)) * 6000
print(ask("POST", "/digest", data)[1].decode().strip() == sha(data))
print(ask("POST", "/digest", (data[i:i + 70000] for i in range(0, len(data), 70000)), encode_chunked=True)[1].decode().strip() == sha(data))
packed = gzip.compress(key.encode())
print(ask("POST", "/digest", packed, {"Content-Encoding": "gzip"})[1].decode().strip() == sha(packed))
answer, body = ask("GET", "/gzip/" + key)
print(answer.getheader("content-encoding"), gzip.decompress(body).decode() == key)
print(ask("POST", "/echo", key)[1].decode() == key)
answer, body = ask("HEAD", "/bytes/77")
print(answer.getheader("content-length"), len(body))`
  const block = Buffer.alloc(1 << 16, 'boxlite ')
  const bytes = Buffer.concat(Array.from({ length: 46 }, () => block)).subarray(0, 3_000_000)
  expect((await python(program)).split('\n')).toEqual([
    digest(bytes),
    'True',
    'True',
    'True',
    'gzip True',
    'True',
    '77 0',
    '',
  ])
  const seen = await internet.seen()
  expect(seen.filter(({ kind }) => kind === 'tls')).toHaveLength(1)
  expect(seen.filter(({ kind }) => kind === 'https')).toHaveLength(7)
})

it('network pitfalls: TLS details: large bodies over HTTP/2, many at once', async () => {
  const one = '--max-time 60 --data-binary @/tmp/a https://web.example/digest'
  const line = `head -c 1500000 /dev/urandom > /tmp/a; sha256sum < /tmp/a | cut -c1-64
    curl -sS --parallel ${one} --next ${one} --next ${one} 2> /tmp/progress || cat /tmp/progress`
  const [sum, ...sums] = (await output(line)).trim().split('\n')
  expect(sums).toEqual([sum, sum, sum])
})

/** A client of HTTP/1.1 that writes and reads as it likes. */
const RAW = `
import os, socket, ssl
key = os.environ["API_KEY"].encode()
s = ssl.create_default_context().wrap_socket(socket.create_connection(("web.example", 443), 60), server_hostname="web.example")
def until(end, seen=b""):
    while not seen.endswith(end): seen += s.recv(1) or exit("ended after " + repr(seen))
    return seen`

it('network pitfalls: TLS details: what is uploaded and answered is passed on at once', async () => {
  const program = `${RAW}
s.sendall(b"POST /echo HTTP/1.1\\r\\nHost: web.example\\r\\nTransfer-Encoding: chunked\\r\\n\\r\\n")
for word in (b"first", key, b"third"):
    s.sendall(b"%x\\r\\n%s\\r\\n" % (len(word), word)); until(word)
s.sendall(b"0\\r\\n\\r\\n"); until(b"0\\r\\n\\r\\n"); print("whole")`
  expect(await python(program)).toBe('whole\n')
})

it('a WebSocket is made with the value, and carries bytes both ways', async () => {
  const program = `${RAW}
s.sendall(b"GET /socket HTTP/1.1\\r\\nHost: web.example\\r\\nConnection: Upgrade\\r\\nUpgrade: websocket\\r\\nX-Key: " + key + b"\\r\\n\\r\\n")
print(until(b"\\r\\n\\r\\n").split(b"\\r\\n")[0].decode())
for word in (b"one", key): s.sendall(word); until(word)
print("echoed")`
  expect(await python(program)).toBe('HTTP/1.1 101 Switching Protocols\nechoed\n')
  expect(await headers()).toMatchObject([{ 'x-key': VALUE, upgrade: 'websocket' }])
})

it('network pitfalls: allow list by name: Host and :authority equal the name in the handshake', async () => {
  for (const version of ['--http1.1', '--http2']) {
    const line = `${version} -w '%{http_code}' -H 'Host: other.example' -H "X-Key: $API_KEY" https://web.example/noted`
    expect(await curl(line), version).toMatch(
      /Host other\.example differs from the name in the handshake, web\.example[\s\S]*421$/,
    )
  }
  expect(await headers()).toEqual([])
  expect(await refusal('differs from the name')).toMatchObject({ name: 'other.example', port: 443, protocol: 'tcp' })
})

it('network pitfalls: QUIC: UDP 443 is refused where secrets are put in, and nowhere else', async () => {
  const program = `
import socket
for name in ("web.example", "other.example"):
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.settimeout(20)
    s.connect((socket.gethostbyname(name), 443)); s.send(b"x")
    try: print(s.recv(1))
    except Exception as e: print(type(e).__name__)`
  expect(await python(program)).toBe("OSError\nb'x'\n")
  expect(await refusal('not into QUIC')).toMatchObject({ address: WORLD.web, port: 443, protocol: 'udp' })
})

it('is rotated while programs and connections go on', async () => {
  const program = `
import http.client, os, time
c = http.client.HTTPSConnection("web.example", timeout=60)
def ask():
    c.request("GET", "/noted", headers={"X-Key": os.environ["API_KEY"]}); c.getresponse().read()
ask(); open("/tmp/asked", "w")
while not os.path.exists("/tmp/again"): time.sleep(0.05)
ask(); print("asked")`
  const asking = python(program)
  await output('for i in $(seq 400); do [ -e /tmp/asked ] && break; sleep 0.05; done')
  await update(box, { secrets: [{ ...secret, value: ROTATED }] })
  await output('touch /tmp/again')
  expect(await asking).toBe('asked\n')
  expect((await headers()).map(of => of['x-key'])).toEqual([VALUE, ROTATED])
  await update(box, { secrets: [] })
  expect(await curl(`-H "X-Key: ${placeholder()}" https://web.example/noted`)).toBe('noted\n')
  expect((await headers()).map(of => of['x-key'])).toEqual([placeholder()])
  expect(await output('printf %s "$API_KEY"')).toBe('')
  await update(box, { secrets: [secret] })
})

it('a server whose certificate is not for its name, or that the host does not trust, gets no request, and that is told', async () => {
  await internet.setRecords('wrong.example', { A: [WORLD.web] })
  await update(box, { secrets: [{ ...secret, hosts: ['web.example', 'wrong.example'] }] })
  expect(await curl(`-w '%{http_code}' -H "X-Key: $API_KEY" https://wrong.example/noted`)).toMatch(
    /No secret was sent[\s\S]*wrong\.example[\s\S]*502$/,
  )
  expect(await refusal('no TLS connection could be made')).toMatchObject({
    name: 'wrong.example',
    address: WORLD.web,
    port: 443,
  })
  await update(box, { secrets: [secret] })
  const other = await host.create({ image, network: 'default', secrets: [secret], memoryMib: 512 })
  expect(await curl(`-w '%{http_code}' -H "X-Key: $API_KEY" https://web.example/noted`, other)).toMatch(
    /UnknownIssuer[\s\S]*502$/,
  )
  expect(await headers()).toEqual([])
  await host.peer.run(async (runtime, id) => runtime.remove(id, { force: true }), other)
})

it('the first secrets of a box that runs hold at once', async () => {
  const id = await host.create({ image, network: { ca: internet.authority }, memoryMib: 512 })
  expect(await issuer('web.example', id)).toContain('CN = Authority of tests')
  await update(id, { secrets: [secret] })
  expect(await output('printf %s "$API_KEY"', id)).toBe(placeholder(id))
  expect(await issuer('web.example', id)).toContain('CN = BoxLite box ')
  for (const how of ['', 'env -u SSL_CERT_FILE ']) {
    expect(await output(`${how}curl -sS -H "X-Key: $API_KEY" https://web.example/noted`, id)).toBe('noted\n')
  }
  expect((await headers()).map(of => of['x-key'])).toEqual([VALUE, VALUE])
  await host.peer.run(async (runtime, id) => runtime.remove(id, { force: true }), id)
})

/** What stands around each value in a text, or around a part of one. */
const around = (text: string) => [...text.matchAll(new RegExp(`.{0,60}${STEM}.{0,60}`, 'gs'))].map(([found]) => found)

it('no value is in a log, an event, the home, the box or the machine', async () => {
  expect(existsSync(join(home, 'logs/boxlite.log'))).toBe(true)
  const holding = [VALUE, ROTATED].flatMap(value => {
    // Images were there before the box, and are of gigabytes.
    const { stdout } = spawnSync('grep', ['-rlaF', '--exclude-dir=images', value, home], { encoding: 'utf8' })
    return stdout.split('\n').filter(path => path !== '')
  })
  expect(holding.map(path => path.slice(home.length + 1))).toEqual([`boxes/${box}/config.json`])
  expect(statSync(holding[0] as string).mode & 0o777).toBe(0o600)
  const { pid, events, info } = await host.peer.run(async (runtime, id, kept) => {
    const box = await runtime.get(id)
    const info = await box.info()
    return { pid: info.pid, events: JSON.stringify(kept.events), info: JSON.stringify(info) }
  }, box)
  expect(around(events + info)).toEqual([])
  const shim = ['environ', 'cmdline'].map(name => readFileSync(`/proc/${pid}/${name}`, 'latin1')).join()
  expect(around(shim)).toEqual([])
  // In two pieces, so that the search does not find itself.
  const search = `v=sk-live-471; grep -rls "\${v}[12]-hidden" /proc/[0-9]*/environ /proc/[0-9]*/cmdline /etc /home /root /run /tmp /var; echo done`
  expect(await output(search)).toBe('done\n')
  if (engine !== 'qemu') return
  const machine = machinesOf(homes.base).find(line => line.includes('qemu-system') && line.includes(`boxlite-${box}`))
  const [, machinePid = ''] = /^process (\d+)/.exec(machine ?? '') ?? []
  const inMemory = `
import re, sys
for line in open("/proc/%s/maps" % sys.argv[1]):
    start, end = (int(part, 16) for part in line.split()[0].split("-"))
    if "rw" not in line.split()[1]: continue
    with open("/proc/%s/mem" % sys.argv[1], "rb", 0) as memory:
        try: memory.seek(start); data = memory.read(end - start)
        except (OSError, ValueError): continue
        for value in sys.argv[2:]:
            if value.encode() in data: print("found", value)
print("looked")`
  const found = execFileSync('python3', ['-c', inMemory, machinePid, placeholder(), VALUE, ROTATED], {
    encoding: 'utf8',
  })
  // The placeholder shows that the search would find a value.
  expect([...new Set(found.trim().split('\n'))]).toEqual([`found ${placeholder()}`, 'looked'])
}, 60_000)

it('what was changed while it ran holds after a stop and a start', async () => {
  const restart = () =>
    host.peer.run(async (runtime, id) => {
      const box = await runtime.get(id)
      await box.stop()
      await box.start()
    }, box)
  const info = () => host.peer.run(async (runtime, id) => (await (await runtime.get(id)).info()).network, box)
  const changed = { env: 'API_KEY', value: ROTATED, hosts: ['api.web.example', 'web.example'] }
  const rules = { allow: ['web.example', 'other.example'], deny: ['other.example'] }
  await update(box, { ...rules, secrets: [changed] })
  await restart()
  expect(await info()).toMatchObject({ ...rules, secrets: [{ env: 'API_KEY', hosts: changed.hosts }] })
  expect(await output('printf %s "$API_KEY"')).toBe(placeholder())
  expect(await curl('-H "X-Key: $API_KEY" https://web.example/noted')).toBe('noted\n')
  expect((await headers()).map(of => of['x-key'])).toEqual([ROTATED])
  // One is denied, the other one not allowed.
  for (const name of ['other.example', 'both.example']) {
    expect(await curl(`https://${name}/noted`)).toContain(`Could not resolve host: ${name}`)
  }
})
