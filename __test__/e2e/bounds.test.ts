// The bounds of options stand twice: lib/ checks them before it loads the addon, and Rust checks them for every face. Here each value
// at an edge is given to both, and both must decide alike. Creating a box starts no machine.
import { afterAll, beforeAll, expect, it } from 'vitest'
import { type BoxInput, type NativeRuntime, settled } from '../../lib/binding.js'
import { native } from '../../lib/native.js'
import { type BoxOptions, boxInput } from '../../lib/options/box.js'
import { useHomes } from '../support/homes.js'

const homes = useHomes()
const DAY = 24 * 60 * 60 * 1000
const PORT = { guest: 80, host: 0, protocol: 'tcp', bind: '127.0.0.1' }
const SECRET = { env: 'A', value: 'v', hosts: ['a.example'] }
/** A secret needs a network. */
const secret: Partial<BoxInput> = { network: {} }
const labels = (count: number, size: number) =>
  Object.fromEntries(Array.from({ length: count }, (_, i) => [`n${i}`, 'v'.repeat(size)]))

/** The option, the values, the fields of the same in what crosses into Rust, and what lib is given where that is not the value itself. */
const rows: [keyof BoxOptions, unknown[], (value: never) => Partial<BoxInput>, ((value: never) => unknown)?][] = [
  ['cpus', [0, 1, 32, 33], cpus => ({ cpus })],
  ['memoryMib', [127, 128, 1_048_576, 1_048_577], memory_mib => ({ memory_mib })],
  ['pidsLimit', [0, 1, 30_000, 30_001], pids_limit => ({ pids_limit })],
  ['name', ['', 'a', '-a', 'a'.repeat(63), 'a'.repeat(64), 'a/b', 'ä'], name => ({ name })],
  ['hostname', ['', 'h', 'h'.repeat(63), 'h'.repeat(64), 'h_h'], hostname => ({ hostname })],
  ['workdir', ['tmp', '/tmp'], workdir => ({ workdir })],
  ['maxLifetimeMs', [0, 366 * DAY, 366 * DAY + 1], ms => supervised({ max_lifetime_ms: ms })],
  ['idleTimeoutMs', [0, 366 * DAY, 366 * DAY + 1], ms => supervised({ idle_timeout_ms: ms })],
  ['stopSignal', [0, 1, 64, 65], signal => supervised({ stop_signal: String(signal), main: true })],
  ['network', [1279, 1280, 65_535, 65_536], mtu => connected({ mtu }), mtu => ({ mtu })],
  ['network', [0, 1, 65_536, 65_537], connections => connected({ connections }), connections => ({ connections })],
  [
    'network',
    [0, 1],
    rate => connected({ new_connections_per_second: rate }),
    rate => ({ newConnectionsPerSecond: rate }),
  ],
  ['network', [8191, 8192], up => connected({ bandwidth: { up } }), up => ({ bandwidth: { up } })],
  ['ports', [0, 1, 65_535], guest => ({ ports: [{ ...PORT, guest }] }), guest => [{ guest }]],
  [
    'secrets',
    ['', '1A', 'A-B', 'A_B'],
    env => ({ ...secret, secrets: [{ ...SECRET, env }] }),
    env => [{ ...SECRET, env }],
  ],
  [
    'secrets',
    ['', 'a\n', 'a'],
    value => ({ ...secret, secrets: [{ ...SECRET, value }] }),
    value => [{ ...SECRET, value }],
  ],
  ['labels', [{ 'a.b/c': '' }, { '': 'x' }, { '-a': 'x' }, { a: 'x'.repeat(4096) }], given => ({ labels: given })],
]

/** What only Rust bounds, and lib hands on as it is; with other options beside it, where these matter. */
const onlyRust: [keyof BoxOptions, unknown, boolean, Partial<BoxOptions>?][] = [
  ['labels', labels(64, 1), true],
  ['labels', labels(65, 1), false],
  ['labels', labels(1, 4097), false],
  ['network', { allow: Array(1000).fill('a.example') }, true],
  ['network', { allow: Array(1001).fill('a.example') }, false],
  ['network', { deny: ['10.0.0.0/33'] }, false],
  ['network', { backend: 'gvproxy', allow: ['a.example'] }, false],
  ['network', { backend: 'gvproxy', allow: ['10.0.0.0/8'] }, true],
  ['network', { proxy: 'socks5://proxy:1080' }, false],
  ['network', { subnet: '100.64.0.0/24' }, false],
  ['network', { dns: { search: Array(7).fill('a.example') } }, false],
  ['ports', Array(64).fill(80), true],
  ['ports', Array(65).fill(80), false],
  ['ports', ['8080:80', '8080:81'], false],
  ['secrets', [SECRET], true],
  ['secrets', [SECRET], false, { network: 'none' }],
  ['secrets', [SECRET], false, { network: { backend: 'gvproxy' } }],
]

function connected(network: NonNullable<BoxInput['network']>): Partial<BoxInput> {
  return { network }
}

function supervised(more: Partial<BoxInput['supervision']>): Partial<BoxInput> {
  return { supervision: { ...boxInput({ image: 'none' }).supervision, ...more } }
}

let runtime: NativeRuntime

beforeAll(async () => {
  const { binding } = native()
  runtime = await settled(binding.open({ home: homes.folder() }))
})

afterAll(() => settled(runtime.close()))

/** Whether Rust makes the box; any other refusal than that of a bad argument is an error of the test. */
async function rustTakes(input: BoxInput): Promise<boolean> {
  const { ok, error } = await runtime.create(input)
  if (error === undefined) await ok?.remove(true)
  else expect(error.code, error.message).toBe('INVALID_ARGUMENT')
  return error === undefined
}

function libTakes(options: BoxOptions): boolean {
  try {
    boxInput(options)
    return true
  } catch {
    return false
  }
}

it.each(rows)('%s: %j', async (option, values, fields, whole = value => value) => {
  for (const value of values) {
    const taken = libTakes({ image: 'none', main: true, [option]: whole(value as never) } as BoxOptions)
    const input = { ...boxInput({ image: 'none' }), ...fields(value as never) }
    expect(await rustTakes(input), `${option}: ${JSON.stringify(value)?.slice(0, 80)}`).toBe(taken)
  }
})

it.each(onlyRust)('%s, as many and as long as Rust allows', async (option, value, allowed, more) => {
  expect(await rustTakes(boxInput({ image: 'none', [option]: value, ...more }))).toBe(allowed)
})
