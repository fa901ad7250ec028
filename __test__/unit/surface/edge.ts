// The native half at its edge, as the addon's types have it: it writes down every call, and refuses an argument of a wrong type as
// napi does, by an error without class or code of ours. Numbers are held to their range, which napi does not: it would wrap them.
//
// Used by the tests of the public surface, which replace the loading of the addon by `edge`.
import type { Binding } from '../../../lib/binding.js'

type Type = (value: unknown) => boolean

const text: Type = value => typeof value === 'string'
const flag: Type = value => typeof value === 'boolean'
const callback: Type = value => typeof value === 'function'
/** Names need not be UTF-8. */
const path: Type = value => text(value) || bytes(value)
const bytes: Type = value => Buffer.isBuffer(value) || value instanceof Uint8Array
const whole =
  (min: number, max: number): Type =>
  value =>
    Number.isInteger(value) && (value as number) >= min && (value as number) <= max
const u8 = whole(0, 2 ** 8 - 1)
const u16 = whole(0, 2 ** 16 - 1)
const u32 = whole(0, 2 ** 32 - 1)
const i32 = whole(-(2 ** 31), 2 ** 31 - 1)
const i64 = whole(-Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER)
const real: Type = value => typeof value === 'number' && Number.isFinite(value)
const maybe =
  (type: Type): Type =>
  value =>
    value === undefined || value === null || type(value)
const list =
  (type: Type): Type =>
  value =>
    Array.isArray(value) && Array.from(value).every(type)
const map =
  (type: Type): Type =>
  value =>
    typeof value === 'object' && value !== null && Object.values(value).every(type)
const either =
  (...types: Type[]): Type =>
  value =>
    types.some(type => type(value))
/** Fields that the addon does not know are not looked at by it. */
const record =
  (fields: Record<string, Type>): Type =>
  value =>
    typeof value === 'object' &&
    value !== null &&
    Object.entries(fields).every(([name, type]) => type((value as Record<string, unknown>)[name]))

const registry = record({
  host: text,
  http: maybe(flag),
  ca_file: maybe(text),
  skip_verify: maybe(flag),
  mirrors: maybe(list(text)),
  credentials: maybe(
    either(
      record({ basic: record({ username: text, password: text }) }),
      record({ identity_token: text }),
      record({ bearer: text }),
    ),
  ),
})
const home = record({
  home: maybe(text),
  engine: maybe(text),
  registries: maybe(list(registry)),
  search_registries: maybe(list(text)),
  image_quota: maybe(i64),
  start_timeout: maybe(record({ secs: u32, nanos: u32 })),
  parts: maybe(text),
})
const pairs = list(value => list(text)(value) && (value as unknown[]).length === 2)
const supervision = record({
  main: maybe(flag),
  entrypoint: maybe(list(text)),
  cmd: maybe(list(text)),
  stop_signal: maybe(text),
  main_is_init: flag,
  restart: maybe(record({ when: maybe(text), max_retries: maybe(u32), delay_ms: maybe(u32) })),
  health: maybe(
    either(
      value => value === 'off',
      record({
        own: record({
          probe: either(record({ command: list(text) }), record({ 'tcp-port': u16 })),
          interval_ms: maybe(u32),
          timeout_ms: maybe(u32),
          retries: maybe(u32),
          start_period_ms: maybe(u32),
        }),
      }),
    ),
  ),
  max_lifetime_ms: maybe(i64),
  idle_timeout_ms: maybe(i64),
  ends_at_ms: maybe(i64),
})
const privileges = record({
  privileged: maybe(flag),
  cap_add: maybe(list(text)),
  cap_drop: maybe(list(text)),
  sysctls: map(text),
  devices: maybe(list(text)),
})
const secrets = list(record({ env: text, value: text, hosts: list(text) }))
const network = record({
  allow: maybe(list(text)),
  deny: maybe(list(text)),
  mtu: maybe(u16),
  dns: maybe(record({ servers: maybe(list(text)), search: maybe(list(text)), hosts: maybe(pairs) })),
  backend: maybe(text),
  ca: maybe(either(value => value === 'host', record({ file: text }))),
  proxy: maybe(either(value => value === 'host', record({ url: text }))),
  connections: maybe(u32),
  new_connections_per_second: maybe(u32),
  bandwidth: maybe(record({ up: maybe(i64), down: maybe(i64) })),
  ipv6: maybe(flag),
  subnet: maybe(text),
})
const box = record({
  image: text,
  name: maybe(text),
  cpus: maybe(u8),
  memory_mib: maybe(u32),
  disk_size_gb: maybe(real),
  env: pairs,
  unset: list(text),
  workdir: maybe(text),
  user: maybe(text),
  hostname: maybe(text),
  detached: maybe(flag),
  auto_remove: maybe(flag),
  pull_policy: maybe(text),
  labels: maybe(map(text)),
  pids_limit: maybe(u32),
  start_timeout_ms: maybe(u32),
  supervision,
  privileges,
  network: maybe(network),
  ports: list(record({ guest: u16, host: u16, protocol: text, bind: text })),
  secrets,
})
const update = record({
  rename: flag,
  name: maybe(text),
  labels: maybe(map(text)),
  cpus: maybe(u8),
  memory_mib: maybe(u32),
  env: maybe(pairs),
  unset: list(text),
  pids_limit: maybe(u32),
  auto_remove: maybe(flag),
  max_lifetime_ms: maybe(i64),
  idle_timeout_ms: maybe(i64),
  ends_at_ms: maybe(i64),
  network: maybe(record({ allow: maybe(list(text)), deny: maybe(list(text)), secrets: maybe(secrets) })),
})
const exec = record({
  command: text,
  args: list(text),
  options: maybe(
    record({
      env: map(text),
      cwd: maybe(text),
      user: maybe(text),
      tty: maybe(record({ cols: u16, rows: u16 })),
      stdin: flag,
      timeoutMs: u32,
      detached: flag,
    }),
  ),
})
const collect = maybe(record({ check: maybe(flag), maxBuffer: maybe(i64), title: maybe(text) }))
const rm = record({ recursive: maybe(flag), force: maybe(flag), maxRetries: maybe(u32), retryDelay: maybe(u32) })
const cp = record({
  recursive: maybe(flag),
  overwrite: maybe(flag),
  errorOnExist: maybe(flag),
  dereference: maybe(flag),
  preserveTimes: maybe(flag),
  verbatimSymlinks: maybe(flag),
})
const reading = record({ flags: maybe(u32), mode: maybe(u32), offset: maybe(i64), length: maybe(i64) })
const writing = record({ flags: maybe(u32), mode: maybe(u32), offset: maybe(i64), flush: maybe(flag) })
const copy = record({
  owner: maybe(text),
  replace: maybe(flag),
  xattrs: maybe(flag),
  maxBytes: maybe(i64),
  maxEntries: maybe(i64),
})

/** The arguments of each method that has some; an argument that may be left out is `maybe`. */
const METHODS: Record<string, Type[]> = {
  'binding.open': [home],
  'binding.doctor': [home],
  'runtime.create': [box],
  'runtime.get': [text],
  'runtime.getOrCreate': [box],
  'runtime.list': [record({ states: list(text), labels: maybe(map(text)), name: maybe(text) })],
  'runtime.remove': [text, flag],
  'runtime.pull': [record({ source: text, policy: text, platform: maybe(text) })],
  'runtime.inspectImage': [text],
  'runtime.removeImage': [text],
  'runtime.pruneImages': [u32],
  'runtime.saveImage': [text, text],
  'runtime.loadImages': [text],
  'runtime.events': [callback],
  'runtime.close': [maybe(u32)],
  'box.start': [maybe(u32)],
  'box.stop': [maybe(u32)],
  'box.restart': [maybe(u32)],
  'box.remove': [flag],
  'box.spawn': [exec],
  'box.exec': [exec, collect],
  'box.command': [exec, collect],
  'box.quote': [text],
  'command.write': [bytes],
  'box.execution': [text],
  'box.update': [update],
  'box.publish': [record({ guest: u16, host: maybe(u16), protocol: maybe(text), bind: maybe(text) })],
  'box.unpublish': [u16, text],
  'box.connect': [u16, maybe(u32)],
  'box.waitForPort': [u16, maybe(u32)],
  'box.logs': [record({ source: text, follow: flag, since_ms: i64 })],
  'box.events': [callback],
  'execution.recv': [u32],
  'execution.write': [bytes],
  'execution.kill': [value => text(value) || i32(value)],
  'execution.resize': [u16, u16],
  'files.stat': [path, flag, flag],
  'files.statfs': [path],
  'files.access': [path, u32],
  'files.exists': [path],
  'files.mkdir': [path, u32, flag],
  'files.mkdtemp': [path, flag],
  'files.rmdir': [path],
  'files.unlink': [path],
  'files.rm': [path, rm],
  'files.rename': [path, path],
  'files.copyFile': [path, path, flag],
  'files.cp': [path, path, cp],
  'files.cpShallow': [path, path, list(text), cp],
  'files.symlink': [path, path],
  'files.readlink': [path, flag],
  'files.realpath': [path, flag],
  'files.link': [path, path],
  'files.chmod': [path, u32],
  'files.chown': [path, u32, u32, flag],
  'files.utimes': [path, real, real, flag],
  'files.truncate': [path, i64],
  'files.getxattr': [path, text, flag],
  'files.setxattr': [path, text, bytes, u32, flag],
  'files.listxattr': [path, flag],
  'files.removexattr': [path, text, flag],
  'files.open': [path, u32, u32],
  'files.readFile': [path, u32, u32],
  'files.writeFile': [path, bytes, writing],
  'files.read': [path, reading],
  'files.write': [path, writing],
  'files.as': [text],
  'files.readDirectory': [path, flag, flag],
  'files.openDirectory': [path, flag, flag],
  'files.watch': [path, flag, flag],
  'files.copyIn': [text, text, copy],
  'files.copyOut': [text, text, copy],
  'files.packOut': [text, copy],
  'files.unpackIn': [text, copy],
  'file.stat': [flag],
  'file.truncate': [i64],
  'file.chmod': [u32],
  'file.chown': [u32, u32],
  'file.utimes': [real, real],
  'file.sync': [flag],
  'file.readAt': [i64, maybe(i64)],
  'file.writeAt': [bytes, maybe(i64)],
  'file.readFile': [u32],
  'file.writeFile': [bytes, flag],
  'file.read': [reading],
  'file.write': [writing],
  'writer.push': [bytes],
}

/** What was called, in order: `box.exec`. */
export const calls: string[] = []

const info = { labels: {}, state: 'created', cpus: 1, memory_mib: 1, created_at_ms: 0, timings: [] }
const boxInfo = { ...info, id: 'b1', image: 'alpine:3', detached: false, auto_remove: false }
const exact = {
  dev: 0n,
  ino: 0n,
  rdev: 0n,
  size: 0n,
  blocks: 0n,
  atimeNs: 0n,
  mtimeNs: 0n,
  ctimeNs: 0n,
  birthtimeNs: 0n,
}
const owner = { mode: 0, nlink: 1, uid: 0, gid: 0, blksize: 4096 }
const stat = {
  ...owner,
  dev: 0,
  ino: 0,
  rdev: 0,
  size: 0,
  blocks: 0,
  atimeMs: 0,
  mtimeMs: 0,
  ctimeMs: 0,
  birthtimeMs: 0,
  exact,
}
const statFs = { type: 0n, bsize: 0n, blocks: 0n, bfree: 0n, bavail: 0n, files: 0n, ffree: 0n }

/** What each method answers; the others answer nothing. `now` marks those that answer at once and not by a promise. */
const ANSWERS: Record<string, () => unknown> = {
  'binding.open': () => object('runtime', { home: '/home' }),
  'binding.doctor': () => ({ ok: true, accelerated: false, checks: [] }),
  'runtime.create': makeBox,
  'runtime.get': makeBox,
  'runtime.getOrCreate': makeBox,
  'runtime.list': () => [],
  'runtime.metrics': () => ({ network: {} }),
  'runtime.prometheus': () => '',
  'runtime.pull': () => object('pull', {}),
  'runtime.listImages': () => [],
  'runtime.inspectImage': () => ({ config: { env: [], labels: {} }, layers: [] }),
  'runtime.removeImage': () => true,
  'runtime.pruneImages': () => ({ images: [], freed: 0 }),
  'runtime.saveImage': () => 0,
  'runtime.loadImages': () => [],
  'runtime.imageUsage': () => ({}),
  'runtime.events': () => object('events', {}),
  'pull.next': () => null,
  'pull.wait': () => ({}),
  'box.info': () => boxInfo,
  'box.spawn': () => object('execution', { id: 'e1', pid: 1 }),
  'box.execution': () => object('execution', { id: 'e1', pid: 1 }),
  'box.exec': () => ({ exit: { code: 0 } }),
  'command.run': () => ({ exit: { code: 0 } }),
  'box.executions': () => [],
  'box.publish': () => ({ guest: 1, host: 1, protocol: 'tcp', bind: '127.0.0.1' }),
  'box.unpublish': () => [],
  'dial.wait': () => object('connection', {}),
  'connection.read': () => null,
  'sampler.sample': () => ({ state: 'created', disk_on_host: 0, timings: [] }),
  'box.logs': () => object('logs', {}),
  'box.events': () => object('events', {}),
  'end.wait': () => ({ state: 'stopped', oom: false }),
  'logs.next': () => null,
  'execution.recv': () => [{ kind: 'exit', status: { code: 0 } }],
  'execution.kill': () => true,
  'execution.killAll': () => true,
  'files.stat': () => stat,
  'files.statfs': () => statFs,
  'files.exists': () => true,
  'files.mkdir': () => null,
  'files.mkdtemp': () => '/p',
  'files.cpShallow': () => [],
  'files.readlink': () => '/p',
  'files.realpath': () => '/p',
  'files.getxattr': () => Buffer.alloc(0),
  'files.listxattr': () => [],
  'files.open': () => object('file', { fd: 3 }),
  'files.readFile': () => Buffer.alloc(0),
  'file.stat': () => stat,
  'file.readAt': () => Buffer.alloc(0),
  'file.readFile': () => Buffer.alloc(0),
  'file.read': () => object('reader', {}),
  'file.write': () => object('writer', {}),
  'files.readDirectory': () => [],
  'files.openDirectory': () => object('directory', {}),
  'directory.next': () => null,
  'files.read': () => object('reader', {}),
  'files.packOut': () => object('reader', {}),
  'files.write': () => object('writer', {}),
  'files.unpackIn': () => object('writer', {}),
  'files.watch': () => object('watcher', {}),
  'reader.pull': () => null,
  'writer.finish': () => 0,
  'watcher.next': () => null,
}

/** Those that answer at once and not by a promise. */
const AT_ONCE: Record<string, () => unknown> = {
  'binding.version': () => '0.1.0',
  'box.end': () => object('end', {}),
  'box.command': () => object('command', {}),
  'box.quote': () => 'word',
  'box.metricsSampler': () => object('sampler', {}),
  'command.cancel': () => undefined,
  'box.start': () => object('start', {}),
  'start.cancel': () => undefined,
  'box.connect': () => object('dial', {}),
  'dial.cancel': () => undefined,
  'connection.close': () => undefined,
  'box.waitForPort': () => object('portWait', {}),
  'portWait.cancel': () => undefined,
  'box.files': () => object('files', {}),
  'files.as': () => object('files', {}),
  'reader.close': () => undefined,
  'writer.abort': () => undefined,
  'directory.close': () => undefined,
  'files.copyIn': () => object('copy', {}),
  'files.copyOut': () => object('copy', {}),
  'copy.progress': () => ({ entries: 0, bytes: 0, skipped: 0 }),
  'copy.abort': () => undefined,
  'events.drain': () => null,
  'events.close': () => undefined,
  'end.cancel': () => undefined,
  'logs.close': () => undefined,
  'watcher.close': () => undefined,
  'pull.cancel': () => undefined,
}

function makeBox(): unknown {
  return object('box', { id: 'b1', name: null, image: 'alpine:3', detached: false })
}

/** An object of the addon: what `properties` does not have is a method, which is called by its right types or throws. */
function object(kind: string, properties: Record<string, unknown>): unknown {
  return new Proxy(properties, {
    get(_, name) {
      if (typeof name === 'symbol' || name === 'then') return undefined
      if (name in properties) return properties[name]
      return (...given: unknown[]) => called(`${kind}.${name}`, given)
    },
  })
}

function called(method: string, given: unknown[]): unknown {
  METHODS[method]?.forEach((type, at) => {
    if (type(given[at])) return
    const error = new TypeError(`napi: ${method}: argument ${at} is of a wrong type`)
    throw Object.assign(error, { code: 'InvalidArg' })
  })
  const atOnce = AT_ONCE[method]
  if (atOnce === undefined || method === 'files.copyIn' || method === 'files.copyOut') calls.push(method)
  return atOnce === undefined ? Promise.resolve({ ok: ANSWERS[method]?.() }) : atOnce()
}

/** The whole native half. */
export const edge = object('binding', {}) as Binding
