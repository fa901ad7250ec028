// What `import` sees: compiled, never run, by `npm run typecheck`.
import type { Readable, Writable } from 'node:stream'
import {
  Box,
  type BoxInfo,
  BoxliteError,
  type BoxMetrics,
  type Connection,
  type ErrorCode,
  type ExecEvent,
  type ExecResult,
  type Execution,
  ExecutionError,
  type ExitStatus,
  type LogEntry,
  type PublishedPort,
  Runtime,
  type RuntimeEvent,
} from '@boxlite/node'

type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false
function same<A, B>(_: Same<A, B>): void {}

export async function api(): Promise<void> {
  await using runtime = await Runtime.open({ engine: 'auto', registries: [{ host: 'r', http: true }] })
  same<Runtime, ReturnType<typeof Runtime.default>>(true)
  await using box = await runtime.create({ image: 'alpine:3', name: 'a', cpus: 1, memoryMib: 512, env: { A: '1' } })
  same<Box, typeof box>(true)

  const text = await box.exec('sh', ['-c', 'true'], { cwd: '/', timeoutMs: 5, user: 1000, check: true })
  same<string, typeof text.stdout>(true)
  same<number | null, typeof text.exitCode>(true)
  const bytes = await box.exec('x', [], { encoding: 'buffer' })
  same<Buffer, typeof bytes.stdout>(true)
  const alsoBytes = await box.exec('x', { encoding: 'buffer' })
  same<ExecResult<Buffer>, typeof alsoBytes>(true)
  const line = await box.sh`ls ${'a'} ${1} ${['b']}`
  same<ExecResult, typeof line>(true)
  const shellBytes = await box.sh({ encoding: 'buffer' })`ls`
  same<Buffer, typeof shellBytes.stdout>(true)

  await using child = box.spawn('cat', { tty: { cols: 80, rows: 24 }, signal: AbortSignal.timeout(5) })
  same<Execution, typeof child>(true)
  same<Readable, typeof child.stdout>(true)
  same<Writable, typeof child.stdin>(true)
  same<string | undefined, typeof child.id>(true)
  for await (const event of child) {
    same<ExecEvent, typeof event>(true)
    if (event.type === 'exit') same<string | null, typeof event.signal>(true)
    else same<Buffer, typeof event.data>(true)
  }
  same<Promise<ExitStatus>, ReturnType<typeof child.wait>>(true)
  same<Promise<BoxInfo[]>, ReturnType<typeof runtime.list>>(true)

  try {
    await box.stop({ timeoutMs: 1 })
  } catch (error) {
    if (error instanceof BoxliteError) same<ErrorCode, typeof error.code>(true)
    if (error instanceof ExecutionError) same<string | undefined, typeof error.hint>(true)
  }

  await runtime.create({
    image: 'x',
    network: {
      allow: ['a.example:443'],
      ca: 'host',
      proxy: 'http://p:1',
      bandwidth: { up: 10_000 },
      backend: 'gateway',
    },
    ports: [80, '8080:80', { guest: 53, protocol: 'udp' }],
    secrets: [{ env: 'A', value: 'v', hosts: ['a.example'] }],
  })
  await box.network.update({ allow: null, deny: ['host'] })
  const { network } = await box.metrics()
  same<number | undefined, NonNullable<typeof network>['refusals'] | undefined>(true)

  const kept = await runtime.getOrCreate({ image: 'x', name: 'n', labels: { a: 'b' }, cmd: ['serve'], restart: {} })
  await kept.update({ name: null, labels: {} })
  await kept.update({ cpus: 2, memoryMib: 256, env: { A: undefined }, endsAt: new Date(), idleTimeoutMs: 0 })
  const touched: boolean = await kept.touch()
  const { host, protocol }: PublishedPort = await kept.publish(80, { host: 0, protocol: 'udp', bind: '::1' })
  const connection: Connection = kept.connect(80, { timeoutMs: 1, signal: AbortSignal.timeout(5) })
  connection.end(`${host}/${protocol}`)
  await kept.waitForPort(80, { timeoutMs: 0 })
  same<Promise<Response>, ReturnType<typeof kept.fetch>>(true)
  await kept.fetch('/', { port: 80, method: 'POST', body: 'x' })
  same<Promise<PublishedPort[]>, ReturnType<typeof kept.unpublish>>(true)
  const { pending, endsAt } = await kept.info()
  const next: number | undefined = pending?.cpus
  const end: Date | null = endsAt
  void [touched, next, end]
  same<Promise<BoxInfo[]>, ReturnType<typeof runtime.list>>(true)
  await runtime.list({ state: ['running', 'failed'], labels: { a: 'b' }, name: 'n' })
  using events = kept.events({ signal: AbortSignal.timeout(5) })
  events.on('exec', event => event.action === 'exited' && same<number | null, typeof event.exitCode>(true))
  for await (const event of events) {
    same<RuntimeEvent, typeof event>(true)
    if (event.type === 'pull' && event.action === 'done') same<string, typeof event.digest>(true)
  }
  for await (const sample of kept.watchMetrics({ intervalMs: 50 })) same<BoxMetrics, typeof sample>(true)
  for await (const entry of kept.logs({ follow: true, since: new Date() })) {
    same<LogEntry, typeof entry>(true)
    if (entry.stream === 'console') same<null, typeof entry.time>(true)
  }
  same<Promise<string>, ReturnType<typeof runtime.prometheus>>(true)

  // @ts-expect-error a name is what it is found by
  await runtime.getOrCreate({ image: 'x' })
  // @ts-expect-error no such event
  events.on('exce', () => {})
  // @ts-expect-error no such state
  await runtime.list({ state: 'up' })
  // @ts-expect-error an image is needed
  await runtime.create({})
  // @ts-expect-error no such option
  await runtime.create({ image: 'x', memory: 5 })
  // @ts-expect-error spawn does not collect, so it does not check
  box.spawn('x', [], { check: true })
  // @ts-expect-error a shell value is a string, a number or an array of those
  await box.sh`ls ${{}}`
  // @ts-expect-error boxes are made by a runtime
  new Box()
  // @ts-expect-error no such code
  const code: ErrorCode = 'NOPE'
  void code
}
