// What each parameter and option of the public surface takes of `values.ts`, files excepted; everything else must be refused.
import type { Box } from '../../../lib/box.js'
import type { Execution } from '../../../lib/execution.js'
import type { Runtime } from '../../../lib/runtime.js'
import type { Value } from './values.js'

export type Takes = readonly Value[]

/** A call whose arguments are tried one after the other, then its options, which come last. */
export interface Call {
  name: string
  call: (...given: never[]) => unknown
  /** Each argument: a value that is right, and all those that are taken. */
  args?: [right: unknown, takes: Takes][]
  /** What each option takes. */
  options?: Record<string, Takes>
  /** The options that may not be left out. */
  given?: object
  /** What stands for all options. Default: nothing, and objects without a field, where none is needed. */
  whole?: Takes
  /** Whether a mistake is thrown, and not told by a promise. */
  throws?: boolean
}

const WORDS: Takes = ['word', 'digits', 'absolute path', 'lone surrogate', 'long string']
const NAME: Takes = ['word', 'digits']
const FLAG: Takes = ['true', 'false']
const COUNT: Takes = ['one', 'three']
const WHOLE: Takes = ['zero', 'minus zero', ...COUNT]
const BYTES: Takes = [...WHOLE, '2^31', '2^32']
const FUNCTION: Takes = ['function', 'function proxy that throws']
const LIST: Takes = ['empty array', 'array of a string']
/** Objects without a field that can be seen: as good as empty ones. */
export const EMPTY: Takes = [
  'object',
  'object without prototype',
  'error',
  'generator',
  'inspection that throws',
  'tag that throws',
  'iterable that throws',
  'getter of iteration that throws',
  'signal',
]

/** As in Node, `null` stands for what is left out there. */
const MAYBE: Takes = [...EMPTY, 'undefined', 'null']
/** Options may stand in the place of arguments. */
const ARGS: Takes = [...MAYBE, ...LIST]

const SIGNAL = { signal: ['signal'] as Takes }
const EXEC: Record<string, Takes> = {
  ...SIGNAL,
  cwd: WORDS,
  env: EMPTY,
  user: [...WORDS, ...WHOLE, '2^31'],
  tty: FLAG,
  timeoutMs: WHOLE,
}
/** What data in parts may be. A part that is neither text nor bytes is told by the execution's end. */
const STDIN: Takes = [
  ...([
    'empty string',
    'string with NUL',
    'buffer',
    'buffer without bytes',
    'typed array',
    'array buffer',
  ] satisfies Takes),
  ...(['map', 'set', 'generator', 'iterable that throws', 'boxed string', 'array of undefined'] satisfies Takes),
  ...(['array of null', 'array of numbers', 'sparse array', ...LIST, ...WORDS] satisfies Takes),
]
const COLLECT = { ...EXEC, check: FLAG, encoding: [], maxBuffer: BYTES }
const BOX: Record<string, Takes> = {
  image: WORDS,
  name: NAME,
  cpus: COUNT,
  memoryMib: [],
  diskSizeGb: ['one half', 'one', 'one and a half', 'three'],
  env: EMPTY,
  workdir: ['absolute path'],
  user: [...WORDS, ...WHOLE, '2^31'],
  hostname: NAME,
  detached: FLAG,
  autoRemove: FLAG,
  pullPolicy: [],
  labels: EMPTY,
  pidsLimit: COUNT,
  startTimeoutMs: COUNT,
  main: FLAG,
  entrypoint: LIST,
  cmd: LIST,
  stopSignal: [...WORDS, ...COUNT],
  restart: EMPTY,
  healthCheck: ['false'],
  maxLifetimeMs: BYTES,
  idleTimeoutMs: BYTES,
  network: EMPTY,
  ports: ['empty array', 'array of numbers'],
  secrets: ['empty array'],
}
const HOME: Record<string, Takes> = {
  home: WORDS,
  engine: [],
  registries: ['empty array'],
  searchRegistries: LIST,
  imageQuotaBytes: BYTES,
  startTimeoutMs: COUNT,
  handleSignals: FLAG,
}

export function calls(Class: typeof Runtime, runtime: Runtime, box: Box, execution: Execution): Call[] {
  const { images } = runtime
  /** A call with the options of one of its options. */
  const inner =
    (outer: string, around = (options: unknown): unknown => options) =>
    (options: unknown) =>
      runtime.create({ image: 'a', [outer]: around(options) } as unknown as { image: string })
  return [
    { name: 'Runtime.open', call: Class.open, options: HOME },
    { name: 'Runtime.doctor', call: Class.doctor, options: HOME },
    {
      name: 'Runtime.open: registries[0]',
      call: (registry: never) => Class.open({ registries: [registry] }),
      given: { host: 'r' },
      options: { host: WORDS, http: FLAG, caFile: WORDS, skipVerify: FLAG, credentials: [], mirrors: LIST },
    },
    { name: 'runtime.create', call: runtime.create, options: BOX, given: { image: 'a' } },
    {
      name: 'runtime.create: restart',
      call: inner('restart'),
      whole: [...EMPTY, 'undefined'],
      options: { policy: [], maxRetries: [...WHOLE, '2^31'], delayMs: WHOLE },
    },
    {
      name: 'runtime.create: healthCheck',
      call: inner('healthCheck'),
      whole: ['undefined', 'false'],
      given: { tcpPort: 80 },
      options: {
        tcpPort: COUNT,
        intervalMs: COUNT,
        timeoutMs: COUNT,
        retries: [...COUNT, '2^31'],
        startPeriodMs: WHOLE,
      },
    },
    {
      name: 'runtime.create: healthCheck',
      call: inner('healthCheck'),
      whole: ['undefined', 'false'],
      given: { command: 'true' },
      options: { command: [...WORDS, 'array of a string'] },
    },
    {
      name: 'runtime.create: network',
      call: inner('network'),
      whole: [...EMPTY, 'undefined'],
      options: {
        allow: LIST,
        deny: LIST,
        mtu: [],
        dns: EMPTY,
        backend: [],
        ca: WORDS,
        proxy: WORDS,
        connections: COUNT,
        newConnectionsPerSecond: [...COUNT, '2^31'],
        bandwidth: EMPTY,
        ipv6: FLAG,
        subnet: WORDS,
      },
    },
    {
      name: 'runtime.create: network.dns',
      call: inner('network', dns => ({ dns })),
      whole: [...EMPTY, 'undefined'],
      options: { servers: ['empty array'], search: LIST, hosts: EMPTY },
    },
    {
      name: 'runtime.create: network.bandwidth',
      call: inner('network', bandwidth => ({ bandwidth })),
      whole: [...EMPTY, 'undefined'],
      options: { up: ['2^31', '2^32'], down: ['2^31', '2^32'] },
    },
    {
      name: 'runtime.create: ports[0]',
      call: inner('ports', port => [port]),
      whole: ['digits', ...COUNT],
      given: { guest: 80 },
      options: { guest: COUNT, host: WHOLE, protocol: [], bind: [] },
    },
    {
      name: 'runtime.create: secrets[0]',
      call: inner('secrets', secret => [secret]),
      given: { env: 'A', value: 'v', hosts: ['a.example'] },
      options: { env: ['word'], value: WORDS, hosts: LIST },
    },
    { name: 'runtime.getOrCreate', call: runtime.getOrCreate, options: BOX, given: { image: 'a', name: 'n' } },
    { name: 'runtime.get', call: runtime.get, args: [['n', WORDS]] },
    { name: 'runtime.list', call: runtime.list, options: { state: ['empty array'], labels: EMPTY, name: NAME } },
    { name: 'runtime.remove', call: runtime.remove, args: [['n', WORDS]], options: { force: FLAG } },
    {
      name: 'runtime.watchMetrics',
      call: runtime.watchMetrics,
      throws: true,
      options: { ...SIGNAL, intervalMs: [] },
    },
    { name: 'runtime.events', call: runtime.events, throws: true, options: SIGNAL },
    {
      name: 'runtime.close',
      call: async (options: never) => (await Class.open()).close(options),
      options: { timeoutMs: WHOLE },
    },
    {
      name: 'images.pull',
      call: images.pull,
      args: [['a', WORDS]],
      options: { ...SIGNAL, policy: [], platform: [], onProgress: FUNCTION },
    },
    { name: 'images.inspect', call: images.inspect, args: [['a', WORDS]] },
    { name: 'images.remove', call: images.remove, args: [['a', WORDS]] },
    { name: 'images.prune', call: images.prune, options: { unusedForMs: WHOLE } },
    {
      name: 'images.save',
      call: images.save,
      args: [
        ['a', WORDS],
        ['f', WORDS],
      ],
    },
    { name: 'images.load', call: images.load, args: [['f', WORDS]] },
    {
      name: 'box.exec',
      call: box.exec,
      args: [
        ['true', WORDS],
        [[], ARGS],
      ],
      options: { ...COLLECT, stdin: STDIN },
      whole: MAYBE,
    },
    { name: 'box.exec', call: box.exec, args: [['true', WORDS]], options: COLLECT, whole: ARGS },
    {
      name: 'box.spawn',
      call: box.spawn,
      throws: true,
      args: [
        ['true', WORDS],
        [[], ARGS],
      ],
      options: { ...EXEC, stdin: STDIN, detached: FLAG },
      whole: MAYBE,
    },
    {
      name: 'box.sh',
      call: (value: never) => box.sh`echo ${value}`,
      args: [['x', SHELL_VALUES]],
    },
    {
      name: 'box.sh',
      call: (options: never) =>
        (box.sh as unknown as (options: never) => (line: TemplateStringsArray) => unknown)(options)`true`,
      options: COLLECT,
    },
    { name: 'box.execution', call: box.execution, throws: true, args: [['e1', WORDS]] },
    {
      name: 'box.copyIn',
      call: box.copyIn,
      args: [
        ['/f', [...WORDS, 'iterable that throws']],
        ['/t', WORDS],
      ],
      options: { ...SIGNAL, onProgress: FUNCTION, owner: WORDS, replace: FLAG, xattrs: FLAG },
    },
    {
      name: 'box.copyOut',
      call: box.copyOut,
      args: [
        ['/f', WORDS],
        ['/t', WORDS],
      ],
      options: {
        ...SIGNAL,
        onProgress: FUNCTION,
        replace: FLAG,
        xattrs: FLAG,
        maxBytes: BYTES,
        maxEntries: BYTES,
      },
    },
    { name: 'box.start', call: box.start, options: { ...SIGNAL, startTimeoutMs: COUNT } },
    {
      name: 'box.publish',
      call: box.publish,
      args: [[80, COUNT]],
      options: { host: WHOLE, protocol: [], bind: [] },
    },
    { name: 'box.unpublish', call: box.unpublish, args: [[80, COUNT]], options: { protocol: [] } },
    {
      name: 'box.connect',
      call: box.connect,
      throws: true,
      args: [[80, COUNT]],
      options: { ...SIGNAL, timeoutMs: COUNT },
    },
    {
      name: 'box.waitForPort',
      call: box.waitForPort,
      args: [[80, COUNT]],
      options: { ...SIGNAL, timeoutMs: WHOLE },
    },
    { name: 'box.stop', call: box.stop, options: { timeoutMs: WHOLE } },
    { name: 'box.restart', call: box.restart, options: { timeoutMs: WHOLE } },
    { name: 'box.wait', call: box.wait, options: SIGNAL },
    { name: 'box.remove', call: box.remove, options: { force: FLAG } },
    { name: 'box.update', call: box.update, whole: EMPTY, options: { name: [...NAME, 'null'], labels: EMPTY } },
    {
      name: 'box.network.update',
      call: box.network.update,
      whole: EMPTY,
      options: { allow: [...LIST, 'null'], deny: LIST, secrets: ['empty array'] },
    },
    { name: 'box.watchMetrics', call: box.watchMetrics, throws: true, options: { ...SIGNAL, intervalMs: [] } },
    { name: 'box.events', call: box.events, throws: true, options: SIGNAL },
    {
      name: 'box.logs',
      call: box.logs,
      throws: true,
      options: { ...SIGNAL, source: [], follow: FLAG, since: ['date', ...BYTES] },
    },
    {
      name: 'execution.kill',
      call: (signal: never) => execution.kill(signal),
      args: [['SIGTERM', ['undefined', ...WHOLE]]],
    },
    {
      name: 'execution.resize',
      call: (cols: never, rows: never) => execution.resize(cols, rows),
      args: [
        [1, COUNT],
        [1, COUNT],
      ],
    },
  ]
}

/** Numbers become words as JavaScript writes them. */
const SHELL_VALUES: Takes = [
  ...(['empty string', ...WORDS, ...LIST, 'array of numbers', ...BYTES] satisfies Takes),
  ...([
    'minus one',
    'one half',
    'one and a half',
    'NaN',
    'Infinity',
    '-Infinity',
    '2^53',
    '-2^53',
    '1e308',
  ] satisfies Takes),
  ...(['bigint', 'huge bigint', 'negative bigint'] satisfies Takes),
]
