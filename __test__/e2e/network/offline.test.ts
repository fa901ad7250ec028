// A host without any network: no interface, no route, no name server. A box of `network: 'default'` starts there as anywhere, and what it
// can't reach fails fast and as what it is. Needs root, for a network namespace with nothing in it, whose kernel gives it few ports as well.
import { afterAll, beforeAll, expect, it } from 'vitest'
import type { Runtime } from '../../../index.mjs'
import { useHomes } from '../../support/homes.js'
import { layout } from '../../support/images.js'
import { Host } from '../../support/internet.js'
import { Peer } from '../../support/peer.js'

const homes = useHomes()
let home: string
let host: Host
let box: string

/** Executes a command in a namespace of its own, with an empty `/etc/resolv.conf`. */
const ALONE = ['unshare', '--net', '--mount', '--propagation', 'private', 'sh', '-c']
const FEW = 'echo 40000 40999 > /proc/sys/net/ipv4/ip_local_port_range'
const WITHOUT = [`mount --bind /dev/null /etc/resolv.conf && ${FEW} && exec "$@"`, 'sh']

beforeAll(async () => {
  home = homes.folder()
  host = new Host(await Peer.start(home, {}, [...ALONE, ...WITHOUT]))
  box = await host.create({ image: await layout(homes) })
})

afterAll(() => host.peer.end(() => host.peer.process.disconnect()))

/** The output of a line and the seconds that it takes. */
async function timed(line: string) {
  const began = performance.now()
  const { stdout } = await host.sh(box, `{ ${line}; } 2>&1`)
  return { stdout, seconds: (performance.now() - began) / 1000 }
}

it('what is not there can not be reached, and says so at once', async () => {
  const { stdout, seconds } = await timed('wget -O - http://203.0.113.10/')
  expect(stdout).toMatch(/unreachable/i)
  expect(seconds).toBeLessThan(15)
})

it('a name is not found, at once', async () => {
  const { stdout, seconds } = await timed('nslookup web.example')
  expect(stdout).toMatch(/SERVFAIL|can't (find|resolve)/)
  expect(seconds).toBeLessThan(15)
})

it('ports of the box are reached, and files and commands work', async () => {
  const line = 'mkdir /www; echo here > /www/index.html; httpd -p 127.0.0.1:8080 -h /www'
  expect((await host.sh(box, line)).exitCode).toBe(0)
  const answer = await host.peer.run(async (runtime, id) => {
    const box = await runtime.get(id)
    await box.waitForPort(8080)
    return (await box.fetch('http://localhost:8080/')).text()
  }, box)
  expect(answer).toBe('here\n')
})

it('the doctor says what boxes lack, and that they can run', async () => {
  const failed = await host.peer.run(async (runtime, home) => {
    const { checks } = await (runtime.constructor as typeof Runtime).doctor({ home })
    return checks.filter(({ ok }) => !ok).map(({ code }) => code)
  }, home)
  const lacking = ['network_resolver', 'network_route', 'network_sockets', 'network_local_ports']
  expect(failed).toEqual(expect.arrayContaining(lacking))
})
