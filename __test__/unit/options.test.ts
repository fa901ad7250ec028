// Every option: what is accepted, and that what is not is refused by name, value and expectation.
import { expect, test } from 'vitest'
import { boxInput, removeForce, stopTimeout, updateInput, waitSignal } from '../../lib/options/box.js'
import { checkExec, checkSpawn } from '../../lib/options/execution.js'
import { filterInput } from '../../lib/options/filter.js'
import { checkPull, pruneAge, pullInput } from '../../lib/options/image.js'
import { networkUpdateInput } from '../../lib/options/network.js'
import { checkRuntime, closeTimeout, runtimeInput } from '../../lib/options/runtime.js'
import { Runtime } from '../../lib/runtime.js'

const open = (options: unknown) => runtimeInput(checkRuntime('Runtime.open', options as never))
const create = (options: object) => boxInput({ image: 'alpine:3', ...options } as never)
const pull = (options: unknown) => pullInput('alpine:3', checkPull(options as never))
const stop = (options: unknown) => stopTimeout('box.stop', options as never)
const exec = (options: unknown) => checkExec('box.exec', options as never)

const GOOD: [(options: never) => unknown, unknown][] = [
  [open, undefined],
  [open, { home: '/tmp/h', engine: 'qemu', registries: [{ host: 'r:5000', http: true }, { host: 'ghcr.io' }] }],
  [open, { home: undefined }],
  [create, { name: 'a-1.b_C', cpus: 32, memoryMib: 128, env: { A: '', B: undefined }, user: 0, workdir: '/' }],
  [create, { hostname: 'h.example', user: 'root:root' }],
  [create, { capabilities: { add: ['NET_ADMIN', 'CAP_SYS_ADMIN'], drop: ['ALL'] }, privileged: false }],
  [create, { sysctls: { 'net.ipv4.ip_forward': 1, 'net/ipv4/conf/eth0-1/x': '0 1' }, devices: ['/dev/net/tun'] }],
  [create, { privileged: true, main: true, init: false }],
  [create, { network: 'none', ports: [8080, '8080:80', '[::1]:0:53/udp', { guest: 1, host: 65_535 }] }],
  [create, { network: { allow: ['a.example:443'], deny: [], mtu: 1380, dns: { hosts: { a: '::1' } }, ipv6: false } }],
  [create, { network: { proxy: 'http://u:p@proxy:3128', ca: 'host', backend: 'gvproxy', bandwidth: { up: 8192 } } }],
  [create, { network: 'default', secrets: [{ env: 'API_KEY', value: 'v', hosts: ['*.example.com'] }] }],
  [networkUpdateInput, { allow: null, secrets: [] }],
  [exec, { tty: { cols: 1, rows: 65_535 }, stdin: Buffer.from('x'), timeoutMs: 0, maxBuffer: 0, encoding: 'buffer' }],
  [exec, { stdin: '', signal: new AbortController().signal, check: true, tty: false }],
  [stop, { timeoutMs: 5 }],
  [create, { detached: true, autoRemove: true }],
  [waitSignal, { signal: AbortSignal.abort() }],
  [closeTimeout, { timeoutMs: 0 }],
  [open, { handleSignals: true }],
  [pull, { policy: 'never', platform: 'linux/arm64/v8', signal: AbortSignal.timeout(1), onProgress: () => {} }],
  [pruneAge, { unusedForMs: 0 }],
  [open, { registries: [{ host: 'r', credentials: { username: 'u', password: 'p' }, mirrors: ['m:5000/cache'] }] }],
  [open, { registries: [{ host: 'r', credentials: { token: 't' }, caFile: 'ca.pem', skipVerify: true }] }],
  [open, { searchRegistries: ['docker.io', 'quay.io/org'], imageQuotaBytes: 0 }],
  [create, { pullPolicy: 'always' }],
  [create, { diskSizeGb: 0.125 }],
  [create, { diskSizeGb: 2048 }],
  [updateInput, { name: null, labels: {} }],
  [updateInput, { name: 'b' }],
  [updateInput, { cpus: 32, memoryMib: 128, env: {}, pidsLimit: 1, autoRemove: false }],
  [updateInput, { maxLifetimeMs: 0, idleTimeoutMs: 31_622_400_000, endsAt: null }],
  [updateInput, { endsAt: new Date(Date.now() + 60_000) }],
  [create, { endsAt: Date.now() + 60_000 }],
  [filterInput, undefined],
  [filterInput, { state: 'running', name: 'a', labels: { a: 'b' } }],
  [filterInput, { state: ['created', 'failed'] }],
  [create, { labels: { 'com.example/team': 'any text', a: '' }, pidsLimit: 1 }],
  [create, { main: true, stopSignal: 'SIGRTMIN+3', restart: { policy: 'always', maxRetries: 0, delayMs: 0 } }],
  [create, { entrypoint: [], cmd: ['serve', ''], stopSignal: 2, restart: {} }],
  [create, { healthCheck: false, maxLifetimeMs: 0, idleTimeoutMs: 31_622_400_000 }],
  [create, { healthCheck: { command: 'curl -f localhost', intervalMs: 1, startPeriodMs: 0 } }],
  [create, { healthCheck: { command: ['true'], retries: 1 } }],
  [create, { healthCheck: { tcpPort: 80, timeoutMs: 5 } }],
]

test.each(GOOD)('%o accepts %o', (call, options) => {
  expect(() => call(options as never)).not.toThrow()
})

const BAD: [(options: never) => unknown, unknown, RegExp][] = [
  [open, null, /^Runtime\.open: argument `options`: expected an object, got null$/],
  [open, [], /expected an object, got \[\]/],
  [open, { home: 5 }, /option `home`: expected a string that is not empty and has no NUL byte, got 5/],
  [open, { home: '' }, /option `home`/],
  [open, { engine: 'kvm' }, /option `engine`: expected 'auto' or 'krun' or 'qemu', got 'kvm'/],
  [open, { registries: [{ hots: 'x' }] }, /registries\[0\]: option `hots`: unknown/],
  [open, { registries: {} }, /option `registries`/],
  [create, { image: undefined }, /runtime\.create: option `image`: expected .* got undefined/],
  [create, { image: '' }, /option `image`/],
  [create, { name: '-a' }, /option `name`: expected 1 to 63 letters/],
  [create, { name: 'x'.repeat(64) }, /option `name`/],
  [create, { cpus: 0 }, /option `cpus`: expected an integer from 1 to 32, got 0/],
  [create, { cpus: 1.5 }, /option `cpus`/],
  [create, { cpus: '2' }, /option `cpus`.*got '2'/],
  [create, { memoryMib: 127 }, /option `memoryMib`: expected an integer from 128 to 1048576 \(MiB\), got 127/],
  [create, { memoryMib: Number.NaN }, /option `memoryMib`/],
  [create, { env: { 'A=B': 'x' } }, /option `env`/],
  [create, { env: { A: 1 } }, /option `env`: expected an object of strings.*got 'A', which is 1$/],
  [create, { env: ['A=1'] }, /option `env`/],
  [create, { workdir: 'tmp' }, /option `workdir`: expected an absolute path/],
  [create, { user: -1 }, /option `user`/],
  [create, { hostname: 'a b' }, /option `hostname`/],
  [create, { capabilities: ['ALL'] }, /option `capabilities`: expected an object/],
  [create, { capabilities: { add: 'ALL' } }, /capabilities: option `add`: expected an array/],
  [create, { capabilities: { add: [1] } }, /capabilities: option `add`: expected an array/],
  [create, { capabilities: { plus: [] } }, /capabilities: option `plus`: unknown/],
  [create, { sysctls: { kernel: '1' } }, /option `sysctls`/],
  [create, { sysctls: { '../x': '1' } }, /option `sysctls`/],
  [create, { sysctls: { 'a.b': '1\n2' } }, /option `sysctls`/],
  [create, { sysctls: { 'a.b': 1.5 } }, /option `sysctls`/],
  [create, { network: 'host' }, /option `network`: expected 'default', 'none' or an object, got 'host'/],
  [
    create,
    { network: { allow: 'a' } },
    /runtime\.create: network: option `allow`: expected an array of rules.*got 'a'/,
  ],
  [create, { network: { deny: [1] } }, /network: option `deny`/],
  [
    create,
    { network: { mtu: 1279 } },
    /network: option `mtu`: expected an integer from 1280 to 65535 \(bytes\), got 1279/,
  ],
  [create, { network: { dns: { servers: ['dns'] } } }, /network\.dns: option `servers`: expected an array of IP addr/],
  [create, { network: { dns: { hosts: { a: 'fe80::1%eth0' } } } }, /network\.dns: option `hosts`/],
  [create, { network: { proxy: 7 } }, /network: option `proxy`: expected .*, got something else$/],
  [create, { network: { bandwidth: { up: 1 } } }, /network\.bandwidth: option `up`/],
  [create, { network: { backend: 'slirp' } }, /network: option `backend`: expected 'gateway' or/],
  [create, { network: { allowed: [] } }, /network: option `allowed`: unknown/],
  [create, { ports: [0] }, /option `ports`: expected an array of ports.*got \[ 0 \]/],
  [create, { ports: ['80:'] }, /option `ports`/],
  [create, { ports: ['256.0.0.1:80:80'] }, /option `ports`/],
  [create, { ports: ['80:80/icmp'] }, /option `ports`/],
  [create, { ports: [{ host: 80 }] }, /ports\[0\]: option `guest`/],
  [create, { ports: [80, { guest: 80, bind: 'localhost' }] }, /ports\[1\]: option `bind`: expected an IP address/],
  [create, { secrets: [{ env: 'A', value: 'v' }] }, /secrets\[0\]: option `hosts`: expected an array of names/],
  [
    create,
    { secrets: ['hunter2'] },
    /option `secrets`: expected an array of \{ env, value, hosts \}, got something else$/,
  ],
  [
    create,
    { secrets: [{ env: 'A', value: 'hunter2\n', hosts: ['a'] }] },
    /secrets\[0\]: option `value`: expected .*, got something else$/,
  ],
  [networkUpdateInput, { allow: 'a' }, /box\.network\.update: option `allow`: expected an array of rules .*, or null/],
  [networkUpdateInput, { mtu: 1500 }, /box\.network\.update: option `mtu`: unknown/],
  [create, { devices: ['/etc/passwd'] }, /option `devices`/],
  [create, { devices: ['/dev/../etc'] }, /option `devices`/],
  [create, { devices: ['/dev/'] }, /option `devices`/],
  [create, { privileged: 'yes' }, /option `privileged`/],
  [create, { init: 0 }, /option `init`/],
  [create, { main: true, init: false, restart: { policy: 'always' } }, /option `restart`/],
  [create, { init: false, main: false }, /option `init`/],
  [create, { privileged: true, devices: ['/dev/fuse'] }, /option `devices`/],
  [create, { privileged: true, capabilities: { drop: ['ALL'] } }, /option `capabilities.drop`/],
  [
    filterInput,
    { state: 'up' },
    /runtime\.list: option `state`: expected 'created' or .*or an array of those, got 'up'/,
  ],
  [filterInput, { state: ['up'] }, /option `state`/],
  [filterInput, { labels: 'a=b' }, /option `labels`/],
  [filterInput, { label: 'a' }, /did|unknown/],
  [updateInput, { name: '-' }, /box\.update: option `name`: expected .*, or null, got '-'/],
  [updateInput, { cpus: 33 }, /box\.update: option `cpus`: expected an integer from 1 to 32, got 33/],
  [updateInput, { env: { A: 1 } }, /option `env`/],
  [updateInput, { endsAt: Date.now() - 1 }, /option `endsAt`: expected a Date that is to come.*, or null/],
  [updateInput, { endsAt: new Date(Number.NaN) }, /option `endsAt`/],
  [updateInput, { endsAt: '2030-01-01' }, /option `endsAt`/],
  [updateInput, { image: 'x' }, /option `image`: unknown/],
  [create, { endsAt: null }, /option `endsAt`/],
  [create, { endsAt: 1e15 * 9 }, /option `endsAt`/],
  [create, { endsAt: Date.now() + 60_000.5 }, /option `endsAt`/],
  [updateInput, undefined, /box\.update: argument `options`/],
  [updateInput, { labels: null }, /option `labels`/],
  [create, { labels: { '-a': '' } }, /option `labels`: expected an object of strings/],
  [create, { labels: { a: 1 } }, /option `labels`/],
  [create, { labels: ['a'] }, /option `labels`/],
  [create, { pidsLimit: 0 }, /option `pidsLimit`: expected an integer from 1 to 30000, got 0/],
  [create, { main: 1 }, /option `main`/],
  [create, { main: false, cmd: ['x'] }, /option `main`: false, but/],
  [create, { cmd: 'serve' }, /option `cmd`: expected an array of strings.*got 'serve'/],
  [create, { entrypoint: ['a\0'] }, /option `entrypoint`/],
  [create, { stopSignal: 65 }, /option `stopSignal`: expected a signal's name/],
  [create, { restart: 'always' }, /option `restart`: expected an object/],
  [create, { restart: { policy: 'never' } }, /runtime\.create: restart: option `policy`/],
  [create, { restart: { retries: 1 } }, /restart: option `retries`: unknown/],
  [create, { healthCheck: true }, /option `healthCheck`: expected an object or false/],
  [create, { healthCheck: {} }, /healthCheck: exactly one of `command` and `tcpPort`/],
  [create, { healthCheck: { command: 'x', tcpPort: 1 } }, /exactly one of/],
  [create, { healthCheck: { command: [] } }, /healthCheck: option `command`/],
  [create, { healthCheck: { tcpPort: 65_536 } }, /healthCheck: option `tcpPort`/],
  [create, { healthCheck: { tcpPort: 1, intervalMs: 0 } }, /healthCheck: option `intervalMs`/],
  [create, { maxLifetimeMs: -1 }, /option `maxLifetimeMs`/],
  [create, { idleTimeoutMs: 31_622_400_001 }, /option `idleTimeoutMs`/],
  [create, { hasOwnProperty: 1 }, /option `hasOwnProperty`: unknown/],
  [exec, { tty: { cols: 0, rows: 1 } }, /option `tty`: expected true, false or \{ cols, rows \}/],
  [exec, { tty: { cols: 1, rows: 1, x: 1 } }, /option `tty`/],
  [exec, { tty: null }, /option `tty`/],
  [exec, { stdin: 5 }, /option `stdin`/],
  [exec, { timeoutMs: -1 }, /option `timeoutMs`: expected an integer from 0 to 2147483647 \(milliseconds\), got -1/],
  [exec, { timeoutMs: 2 ** 31 }, /option `timeoutMs`/],
  [exec, { signal: {} }, /option `signal`: expected an AbortSignal/],
  [exec, { check: 1 }, /option `check`: expected true or false, got 1/],
  [exec, { encoding: 'latin1' }, /option `encoding`: expected 'utf8' or 'buffer'/],
  [exec, { maxBuffer: -1 }, /option `maxBuffer`/],
  [exec, { cwd: 'a\0b' }, /option `cwd`/],
  [checkSpawn, { check: true }, /box\.spawn: option `check`: unknown/],
  [create, { detached: 1 }, /option `detached`: expected true or false, got 1/],
  [waitSignal, { signal: 1 }, /box\.wait: option `signal`/],
  [closeTimeout, { timeoutMs: -1 }, /runtime\.close: option `timeoutMs`/],
  [stop, { timeoutMs: '5' }, /box\.stop: option `timeoutMs`/],
  [pull, { policy: 'sometimes' }, /images\.pull: option `policy`/],
  [pull, { platform: 'amd64' }, /option `platform`: expected os\/architecture/],
  [pull, { onProgress: 1 }, /option `onProgress`: expected a function, got 1/],
  [pruneAge, { unusedForMs: -1 }, /images\.prune: option `unusedForMs`/],
  [
    open,
    { registries: [{ host: 'r', credentials: { username: 'u' } }] },
    /`credentials`: expected .*, got something else$/,
  ],
  [open, { registries: [{ host: 'r', mirrors: ['/x'] }] }, /option `mirrors`/],
  [open, { imageQuotaBytes: -1 }, /option `imageQuotaBytes`/],
  [create, { pullPolicy: 'sometimes' }, /option `pullPolicy`/],
  [create, { diskSizeGb: 0 }, /option `diskSizeGb`: expected a number from 0\.125 to 2048 \(GiB\), got 0/],
  [options => removeForce('box.remove', options), { force: 'yes' }, /box\.remove: option `force`/],
]

test.each(BAD)('%o refuses %o', (call, options, text) => {
  expect(() => call(options as never)).toThrow(
    expect.objectContaining({ code: 'INVALID_ARGUMENT', message: expect.stringMatching(text) }),
  )
})

test.each([
  ['memory', 'did you mean `memoryMib`?'],
  ['memoryMiB', 'did you mean `memoryMib`?'],
  ['memory_mib', 'did you mean `memoryMib`?'],
  [
    'frobnicate',
    'the options are `image`, `name`, `cpus`, `memoryMib`, `diskSizeGb`, `env`, `workdir`, `user`, `hostname`, `detached`, `autoRemove`, `pullPolicy`, `labels`, `pidsLimit`, `startTimeoutMs`, `network`, `ports`, `secrets`, `capabilities`, `sysctls`, `devices`, `privileged`, `main`, `entrypoint`, `cmd`, `init`, `stopSignal`, `restart`, `healthCheck`, `maxLifetimeMs`, `idleTimeoutMs`, `endsAt`',
  ],
])('an unknown option `%s` is refused with a hint', (name, hint) => {
  expect(() => create({ [name]: 1 })).toThrow(expect.objectContaining({ hint }))
})

test('a promise-returning call rejects rather than throws', async () => {
  await expect(Runtime.open({ engine: 'x' } as never)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' })
  await expect(Runtime.doctor({ home: 1 } as never)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' })
})
