// `box.exec` and `box.spawn`: collecting, limits, and what reaches the native half.
import { describe, expect, test } from 'vitest'
import { ExecutionError } from '../../lib/errors.js'
import { err, exit, fakeBox, killed, LOST, out, quiet } from './fake.js'

const bytes = (text: string) => Buffer.from(text)
const CWD = { code: 'EXEC_CWD', message: 'exec', causes: [] }

// Without input and signal the addon collects, else the events are read here. Nobody shall see which: each test has the script of
// the events and what the addon makes of them, which its own tests hold it to.
describe.each([
  ['by the addon', {}],
  ['from its events', { signal: new AbortController().signal }],
])('collected %s', (_, how) => {
  test('collects both streams and the exit code', async () => {
    const collected = { stdout: bytes('o1o2'), stderr: bytes('e'), exit: { code: 3 } }
    const script = [
      [out('o1'), err('e')],
      [out('o2'), exit(3)],
    ]
    const { box } = fakeBox(() => script, { collected })
    expect(await box.exec('x', how)).toEqual({
      exitCode: 3,
      signal: null,
      oomKilled: false,
      stdout: 'o1o2',
      stderr: 'e',
    })
  })

  test('a signal is told apart from an exit code', async () => {
    const { box } = fakeBox(() => [[killed(15)]], { collected: { exit: { signal: 15 } } })
    expect(await box.exec('x', how)).toMatchObject({ exitCode: null, signal: 'SIGTERM' })
  })

  test('decodes characters that are split over chunks', async () => {
    const text = bytes('a€b')
    const script = [...[...text].map(byte => [out(Buffer.of(byte))]), [exit()]]
    const { box } = fakeBox(() => script, { collected: { stdout: text, exit: { code: 0 } } })
    expect((await box.exec('x', how)).stdout).toBe('a€b')
  })

  test('collects bytes on demand', async () => {
    const stdout = Buffer.of(0xff, 0)
    const { box } = fakeBox(() => [[out(stdout), exit()]], { collected: { stdout, exit: { code: 0 } } })
    expect((await box.exec('x', { ...how, encoding: 'buffer' })).stdout.equals(stdout)).toBe(true)
  })

  test('a timeout rejects with the output so far', async () => {
    const collected = { stdout: bytes('so far'), exit: { signal: 15, timedOut: true } }
    const { box } = fakeBox(() => [[out('so far')], [killed(15, { timedOut: true })]], { collected })
    const error = await box.exec('sleep', ['9'], { ...how, timeoutMs: 50 }).catch(error => error)
    expect(error).toBeInstanceOf(ExecutionError)
    expect(error).toMatchObject({ code: 'EXEC_TIMEOUT', stdout: 'so far', signal: 'SIGTERM' })
    expect(error.message).toBe('command `sleep`: ran longer than 50 ms')
  })

  test('check rejects with what the command said last', async () => {
    const collected = { stdout: bytes('o'), stderr: bytes('one\nno such file\n'), exit: { code: 2 } }
    const { box } = fakeBox(() => [[out('o'), err('one\nno such file\n'), exit(2)]], { collected })
    const error = await box.exec('ls', { ...how, check: true }).catch(error => error)
    expect(error).toMatchObject({ code: 'EXEC_NON_ZERO', exitCode: 2, stdout: 'o', stderr: 'one\nno such file\n' })
    expect(error.message).toBe('command `ls`: exited with code 2: no such file')
  })

  test('check lets zero pass', async () => {
    const { box } = fakeBox(() => [[exit(0)]])
    expect((await box.exec('ls', { ...how, check: true })).exitCode).toBe(0)
  })

  test('output beyond maxBuffer rejects with what fits', async () => {
    const { box } = fakeBox(() => [[out('123')], [out('456')]], {
      collected: { stdout: bytes('12345'), exceeded: 'stdout' },
    })
    const error = await box.exec('x', { ...how, maxBuffer: 5 }).catch(error => error)
    expect(error).toMatchObject({ code: 'EXEC_MAX_BUFFER', stdout: '12345' })
    expect(error.message).toBe('command `x`: stdout exceeds 5 bytes')
  })

  test('a lost connection rejects', async () => {
    const { box } = fakeBox(() => [[out('abc')], LOST], { collected: LOST })
    await expect(box.exec('x', how)).rejects.toMatchObject({ code: 'PORTAL_LOST' })
  })
})

test('the addon is told how much to collect', async () => {
  const { box, limits } = fakeBox(() => [])
  await box.exec('x', { maxBuffer: 5 })
  await box.exec('x')
  expect(limits).toEqual([5, 67_108_864])
})

test('output of exactly maxBuffer passes, and one byte more kills', async () => {
  const { signal } = new AbortController()
  const exact = fakeBox(() => [[out('12345'), exit()]])
  expect((await exact.box.exec('x', { signal, maxBuffer: 5 })).stdout).toBe('12345')
  const more = fakeBox(() => [[out('123')], [out('456')]])
  await more.box.exec('x', { signal, maxBuffer: 5 }).catch(() => {})
  expect(more.executions[0]?.signals).toEqual([9])
})

test('options and arguments reach the native half', async () => {
  const { box, inputs } = fakeBox(() => [[exit()]])
  await box.exec('ls', ['-l'], { cwd: '/', env: { A: '1', B: undefined }, user: 1000, tty: true, timeoutMs: 5 })
  await box.exec('ls')
  await box.exec('cat', { stdin: 'x' })
  box.spawn('sh', { tty: { cols: 10, rows: 5 } })
  box.spawn('sh', { stdin: 'none' })
  expect(inputs).toEqual([
    {
      command: 'ls',
      args: ['-l'],
      special: {
        cwd: '/',
        env: { A: '1' },
        unset: ['B'],
        user: '1000',
        tty: { cols: 80, rows: 24 },
        timeoutMs: 5,
        stdin: false,
        detached: false,
      },
    },
    { command: 'ls', args: [] },
    { command: 'cat', args: [], special: expect.objectContaining({ env: {}, stdin: true, timeoutMs: 0 }) },
    { command: 'sh', args: [], special: expect.objectContaining({ tty: { cols: 10, rows: 5 }, stdin: true }) },
    { command: 'sh', args: [] },
  ])
})

test('abort rejects, kills, and keeps the output so far', async () => {
  const { box, executions } = fakeBox(() => [[out('abc')]])
  const controller = new AbortController()
  const running = box.exec('x', { signal: controller.signal }).catch(error => error)
  await quiet()
  controller.abort()
  const error = await running
  expect(error).toMatchObject({ name: 'AbortError', code: 'ABORTED', stdout: 'abc' })
  expect(executions[0]?.signals).toEqual([9])
})

test('an aborted signal starts nothing', async () => {
  const { box, inputs } = fakeBox(() => [[exit()]])
  await expect(box.exec('x', { signal: AbortSignal.abort() })).rejects.toMatchObject({ code: 'ABORTED' })
  expect(inputs).toEqual([])
})

test('a command that can not be started rejects', async () => {
  const { box } = fakeBox(() => [], { spawnError: CWD })
  await expect(box.exec('x')).rejects.toMatchObject({ code: 'EXEC_CWD' })
})

test('the stack of an error shows who called', async () => {
  const { box } = fakeBox(() => [], { spawnError: CWD })
  const caller = async () => {
    await box.exec('x')
  }
  const shell = async () => {
    await box.sh`x`
  }
  const waiter = async () => {
    await box.spawn('x').wait()
  }
  for (const call of [caller, shell, waiter]) {
    const error = await call().catch(error => error)
    expect(error.stack).toMatch(new RegExp(`at (async )?${call.name} `))
  }
})

test('sh runs a quoted line, with options or without', async () => {
  const { box, inputs } = fakeBox(() => [[exit()]])
  await box.sh`echo ${"it's"} ${['a b', 'c']} \${HOME} \`id\` \\n`
  await box.sh({ cwd: '/tmp' })`ls ${1}`
  expect(inputs[0]).toMatchObject({ command: '/bin/sh', args: ['-c', `echo 'it'\\''s' 'a b' c \${HOME} \`id\` \\\\n`] })
  expect(inputs[1]).toMatchObject({ args: ['-c', 'ls 1'], special: { cwd: '/tmp' } })
})
