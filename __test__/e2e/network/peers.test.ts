// Programs that nobody here wrote, in a Debian box: on the test's own internet, with servers of git and iperf3 there, and with packages of
// Debian's archive, of PyPI and of npm's registry, for which this machine needs its own way to them. dig and ping are in out.test.ts.
// `BOXLITE_TEST_IPERF=10 npx vitest run --project e2e peers -t iperf3` measures for ten seconds each, for docs/testing.md.
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, mkdirSync, realpathSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Box } from '../../../index.mjs'
import { networkLayout } from '../../../scripts/image/debian.mjs'
import { findProgram } from '../../../scripts/setup/debian.mjs'
import { useHomes } from '../../support/homes.js'
import { type Host, useInternet, WORLD } from '../../support/internet.js'

const homes = useHomes()
const internet = useInternet(homes)
const servers: ChildProcess[] = []
let home: string
let host: Host
let box: string

beforeAll(async () => {
  home = homes.folder()
  host = await internet.start(home)
  const network = { ca: internet.authority }
  box = await host.create({ image: await networkLayout(), network, memoryMib: 512 })
}, 900_000)
afterAll(async () => {
  for (const server of servers) {
    if (server.exitCode !== null || server.signalCode !== null) continue
    const ended = once(server, 'exit')
    server.kill()
    await ended
  }
})

const output = (line: string) => host.output(box, line)

/** Starts a server at the addresses of the world, which is ended after the last test, and with this process whatever happens to that. */
async function serve(program: string, ...args: string[]) {
  const [command = '', ...prefix] = internet.among
  const server = spawn(command, [...prefix, 'setpriv', '--pdeathsig', 'KILL', program, ...args], { stdio: 'ignore' })
  servers.push(server)
  await once(server, 'spawn')
}

/** Passes connections to port 8443 on to port 8080 without TLS. */
const TLS_BEFORE = `
  const [key, cert, address] = process.argv.slice(1)
  const { readFileSync } = require('fs')
  const onConnection = socket => {
    const onward = require('net').connect(8080, address)
    socket.on('error', () => onward.destroy()).pipe(onward)
    onward.on('error', () => socket.destroy()).pipe(socket)
  }
  require('tls').createServer({ key: readFileSync(key), cert: readFileSync(cert) }, onConnection).listen(8443, address)`

/** What `line` writes once it succeeds, which it does when a server has begun to listen. */
const eventually = (line: string) =>
  expect.poll(() => output(`${line} && echo; echo $?`), { timeout: 30_000, interval: 200 }).toMatch(/(^|\n)0\n$/)

it('TLS: curl, wget, python3 and git trust the authority that the box was given', async () => {
  expect(await output('curl -sS --http1.1 https://web.example/version')).toBe('1.1')
  expect(await output('curl -sS --http2 https://web.example/version')).toBe('2.0')
  expect(await output('wget -qO- https://web.example/version')).toBe('1.1')
  const program = 'import urllib.request as u; print(u.urlopen("https://web.example/version").read())'
  expect(await output(`python3 -c '${program}'`)).toBe("b'1.1'\n")
  // What answers is no repository, but its certificate was accepted.
  expect(await output('git ls-remote https://web.example/none')).toMatch(/not found|not valid/)
})

it('git: clones by its own protocol, and clones and pushes by smart HTTP, with TLS and without', async () => {
  const folder = homes.folder()
  const git = (...args: string[]) => execFileSync('git', args, { cwd: folder, encoding: 'utf8', stdio: 'pipe' })
  const author = ['-c', 'user.name=test', '-c', 'user.email=test@web.example']
  git('init', '--quiet', '--initial-branch=main', 'work')
  writeFileSync(join(folder, 'work/large'), 'boxlite '.repeat(200_000))
  git('-C', 'work', 'add', '.')
  for (const subject of ['first', 'second']) {
    git('-C', 'work', ...author, 'commit', '--quiet', '--allow-empty', '-m', subject)
  }
  git('clone', '--quiet', '--bare', 'work', 'project.git')
  git('-C', 'project.git', 'config', 'http.receivepack', 'true')
  const programs = git('--exec-path').trim()
  await serve(join(programs, 'git-daemon'), '--export-all', `--base-path=${folder}`, `--listen=${WORLD.web}`, folder)
  // Its other half is a program that a web server has to start (CGI).
  const www = join(folder, 'www')
  mkdirSync(join(www, 'cgi-bin'), { recursive: true })
  const script = `#!/bin/sh\nGIT_PROJECT_ROOT='${folder}' GIT_HTTP_EXPORT_ALL=1 exec '${programs}/git-http-backend'\n`
  writeFileSync(join(www, 'cgi-bin/git'), script)
  chmodSync(join(www, 'cgi-bin/git'), 0o755)
  await serve('busybox', 'httpd', '-f', '-p', `${WORLD.web}:8080`, '-h', www)
  const [key = '', cert = ''] = ['web.key', 'web.pem'].map(name => join(dirname(internet.authority), name))
  await serve(process.execPath, '-e', TLS_BEFORE, key, cert, WORLD.web)
  const path = 'cgi-bin/git/project.git'
  const secure = `https://web.example:8443/${path}`

  await eventually(`git clone --quiet git://web.example/project.git /srv/first`)
  expect(await output('git -C /srv/first log --format=%s; wc -c < /srv/first/large')).toBe('second\nfirst\n1600000\n')
  await eventually(`git clone --quiet http://web.example:8080/${path} /srv/second`)
  await eventually(`git clone --quiet --depth 1 ${secure} /srv/third`)
  expect(await output('git -C /srv/third log --format=%s; wc -c < /srv/third/large')).toBe('second\n1600000\n')
  const commit = `git -C /srv/second ${author.join(' ')} commit --quiet -a -m third`
  const push = `head -c 500000 /dev/urandom > /srv/second/large; ${commit} && git -C /srv/second push --quiet ${secure}; echo $?`
  expect(await output(push)).toBe('0\n')
  expect(git('-C', 'project.git', 'log', '--format=%s')).toBe('third\nsecond\nfirst\n')
  expect(git('-C', 'project.git', 'cat-file', '-s', 'main:large')).toBe('500000\n')
})

const SECONDS = Number(process.env.BOXLITE_TEST_IPERF ?? 1)

/** Bits per second, as iperf3's receiver has counted them. */
function received(json: string): number {
  const { end } = JSON.parse(json)
  expect(end.sum_received.bytes).toBeGreaterThan(0)
  return end.sum_received.bits_per_second
}

it('iperf3: out of the box and into it, by its network and by a published port', { timeout: 300_000 }, async () => {
  await serve('iperf3', '-s', '-B', WORLD.web)
  const client = `iperf3 -J -t ${SECONDS} -c`
  await eventually(`iperf3 -t 1 -c ${WORLD.web} > /dev/null`)
  const rates = [
    ['box to server', received(await output(`${client} ${WORLD.web}`))],
    ['server to box', received(await output(`${client} ${WORLD.web} -R`))],
  ]
  await output('iperf3 -s -D')
  const port = await host.peer.run(async (runtime, id) => (await (await runtime.get(id)).publish(5201)).host, box)
  const onHost = (...args: string[]) => received(internet.onHost('iperf3', '-J', '-t', String(SECONDS), ...args))
  rates.push(['host to published port', onHost('-c', '127.0.0.1', '-p', String(port))])
  rates.push(['published port to host', onHost('-c', '127.0.0.1', '-p', String(port), '-R')])
  if (process.env.BOXLITE_TEST_IPERF) {
    const server = spawn(internet.through[0] ?? '', [
      ...internet.through.slice(1),
      'iperf3',
      '-s',
      '-1',
      '-p',
      '5999',
      '--forceflush',
    ])
    servers.push(server)
    await once(server.stdout, 'data')
    const plain = onHost('-c', '127.0.0.1', '-p', '5999')
    for (const [what, rate = 0] of [...rates, ['a pair on the host’s loopback', plain]] as [string, number][]) {
      console.log(`${what}: ${(rate / 1e6).toFixed(1)} Mbit/s, 1 : ${(plain / rate).toFixed(0)}`)
    }
  }
})

it('nginx in the box serves the host by a published port, and `box.fetch`', async () => {
  const { port, page } = await host.peer.run(async (runtime, id) => {
    const box = await runtime.get(id)
    await box.exec('nginx', [], { check: true })
    const response = await box.fetch('http://localhost/')
    return { port: (await box.publish(80)).host, page: await response.text() }
  }, box)
  expect(page).toContain('Welcome to nginx!')
  expect(internet.onHost('busybox', 'wget', '-qO-', `http://127.0.0.1:${port}/`)).toBe(page)
})

it('a closed address is an error of each program, at once', async () => {
  const began = performance.now()
  expect(await output(`curl -sS --max-time 20 http://${WORLD.metadata}/`)).toMatch(/curl: \(7\)/)
  expect(await output(`wget -T 20 -t 1 -qO- http://${WORLD.private}/; echo $?`)).toMatch(/4\n$/)
  expect(await output(`git ls-remote git://${WORLD.private}/none`)).toMatch(/Connection refused/)
  expect(performance.now() - began).toBeLessThan(20_000)
  expect(await internet.seen()).toEqual([])
})

const ARCHIVE = 'http://deb.debian.org/debian'
const RELEASE = `${ARCHIVE}/dists/bookworm/InRelease`

/** Runs a line in a box until it succeeds. It is run again only if `url` can't be had on this machine either. */
async function fromMirror(real: Box, url: string, line: string): Promise<string> {
  for (let attempts = 1; ; attempts++) {
    const { exitCode, stdout, stderr } = await real.exec('sh', ['-c', line], { timeoutMs: 300_000 })
    if (exitCode === 0) return stdout
    const there = await fetch(url).then(
      response => response.ok,
      () => false,
    )
    expect(there, `${url} can be had on this machine, but not in the box: ${stdout}${stderr}`).toBe(false)
    expect(attempts, `${url} can't be had on this machine, after three tries`).toBeLessThan(3)
    await new Promise(over => setTimeout(over, 5000))
  }
}

describe('the real archives', () => {
  let real: Box
  beforeAll(async () => {
    const runtime = await homes.open({ home })
    real = await runtime.create({ image: await networkLayout(), network: { ca: 'host' }, memoryMib: 512 })
  })
  afterAll(() => real?.remove({ force: true }))

  it('apt-get installs', { timeout: 900_000 }, async () => {
    // A part of the archive whose index is small.
    await real.fs.writeFile('/etc/apt/sources.list', `deb ${ARCHIVE} bookworm contrib\n`)
    const apt = 'apt-get -q -o Acquire::Languages=none'
    await fromMirror(real, RELEASE, `${apt} update && ${apt} install -y --no-install-recommends mbrola`)
    expect((await real.exec('sh', ['-c', 'dpkg -s mbrola; mbrola -h'])).stdout).toMatch(
      /Status: install ok installed[\s\S]*USAGE/,
    )
  })

  it('pip installs, and what it has installed reaches servers', { timeout: 900_000 }, async () => {
    const pip =
      'pip install -q --no-compile --disable-pip-version-check --break-system-packages --root-user-action=ignore requests'
    await fromMirror(real, 'https://pypi.org/simple/requests/', pip)
    // Without TLS, before which `requests` reads all certificates: some mirrors do not wait for so long.
    const program = `import requests; print(requests.get("${RELEASE}").status_code)`
    expect(await fromMirror(real, RELEASE, `python3 -c '${program}'`)).toBe('200\n')
  })

  it('npm installs a package and what that needs', { timeout: 900_000 }, async () => {
    // This machine's own, as Debian's packages of them would double the image. Here, `npm` is a link to npm/bin/npm-cli.js.
    await real.copyIn(process.execPath, '/usr/local/bin/node')
    await real.copyIn(dirname(dirname(realpathSync(findProgram('npm') ?? 'npm'))), '/usr/local/lib/npm')
    const npm = 'node /usr/local/lib/npm/bin/npm-cli.js --no-audit --no-fund --no-update-notifier'
    const install = `mkdir -p /srv/app && cd /srv/app && ${npm} install is-odd@3.0.1`
    await fromMirror(real, 'https://registry.npmjs.org/is-odd', install)
    const program = 'const isOdd = require("is-odd"); console.log(isOdd(7), isOdd(8))'
    const { stdout } = await real.exec('node', ['-e', program], { cwd: '/srv/app', check: true })
    expect(stdout).toBe('true false\n')
  })
})
