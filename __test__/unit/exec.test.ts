// `box.exec` and `box.spawn`: collecting, limits, and what reaches the native half.
import { describe, expect, test } from 'vitest'
import { ExecutionError } from '../../lib/errors.js'
import { err, exit, fakeBox, killed, LOST, out } from './fake.js'

// Without input and signal the addon collects; else the events are read here. Nobody shall see which.
describe.each([
  ['by the addon', {}],
  ['from its events', { signal: new AbortController().signal }],
])('collected %s', (_, how) => {
  test('collects both streams and the exit code', async () => {
    const { box } = fakeBox(() => [
      [out('o1'), err('e')],
      [out('o2'), exit(3)],
    ])
    expect(await box.exec('x', how)).toEqual({
      exitCode: 3,
      signal: null,
      oomKilled: false,
      stdout: 'o1o2',
      stderr: 'e',
    })
  })

  test('a signal is told apart from an exit code', async () => {
    const { box } = fakeBox(() => [[killed(15)]])
    expect(await box.exec('x', how)).toMatchObject({ exitCode: null, signal: 'SIGTERM' })
  })

  test('decodes characters that are split over chunks', async () => {
    const bytes = Buffer.from('a€b')
    const { box } = fakeBox(() => [...[...bytes].map(byte => [out(Buffer.of(byte))]), [exit()]])
    expect((await box.exec('x', how)).stdout).toBe('a€b')
  })

  test('collects bytes on demand', async () => {
    const { box } = fakeBox(() => [[out(Buffer.of(0xff, 0)), exit()]])
    const { stdout } = await box.exec('x', { ...how, encoding: 'buffer' })
    expect(stdout.equals(Buffer.of(0xff, 0))).toBe(true)
  })

  test('a timeout rejects with the output so far', async () => {
    const { box } = fakeBox(() => [[out('so far')], [killed(15, { timedOut: true })]])
    const error = await box.exec('sleep', ['9'], { ...how, timeoutMs: 50 }).catch(error => error)
    expect(error).toBeInstanceOf(ExecutionError)
    expect(error).toMatchObject({ code: 'EXEC_TIMEOUT', stdout: 'so far', signal: 'SIGTERM' })
    expect(error.message).toBe('command `sleep`: ran longer than 50 ms')
  })

  test('check rejects with what the command said last', async () => {
    const { box } = fakeBox(() => [[out('o'), err('one\nno such file\n'), exit(2)]])
    const error = await box.exec('ls', { ...how, check: true }).catch(error => error)
    expect(error).toMatchObject({ code: 'EXEC_NON_ZERO', exitCode: 2, stdout: 'o', stderr: 'one\nno such file\n' })
    expect(error.message).toBe('command `ls`: exited with code 2: no such file')
  })

  test('check lets zero pass', async () => {
    const { box } = fakeBox(() => [[exit(0)]])
    expect((await box.exec('ls', { ...how, check: true })).exitCode).toBe(0)
  })

  test('output of exactly maxBuffer passes, one byte more kills and rejects', async () => {
    const exact = fakeBox(() => [[out('12345'), exit()]])
    expect((await exact.box.exec('x', { ...how, maxBuffer: 5 })).stdout).toBe('12345')

    const more = fakeBox(() => [[out('123')], [out('456')]])
    const error = await more.box.exec('x', { ...how, maxBuffer: 5 }).catch(error => error)
    expect(error).toMatchObject({ code: 'EXEC_MAX_BUFFER', stdout: '12345' })
    expect(more.executions[0]?.signals).toEqual([9])
  })

  test('a lost connection rejects with the output so far', async () => {
    const { box } = fakeBox(() => [[out('abc')], LOST])
    await expect(box.exec('x', how)).rejects.toMatchObject({ code: 'PORTAL_LOST' })
  })
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
  const error = await box.exec('x', { signal: AbortSignal.timeout(30) }).catch(error => error)
  expect(error).toMatchObject({ name: 'AbortError', code: 'ABORTED', stdout: 'abc' })
  expect(executions[0]?.signals).toEqual([9])
})

test('an aborted signal starts nothing', async () => {
  const { box, inputs } = fakeBox(() => [[exit()]])
  await expect(box.exec('x', { signal: AbortSignal.abort() })).rejects.toMatchObject({ code: 'ABORTED' })
  expect(inputs).toEqual([])
})

test('a command that can not be started rejects', async () => {
  const { box } = fakeBox(() => [], { code: 'EXEC_CWD', className: 'ExecutionError', message: 'exec', causes: [] })
  await expect(box.exec('x')).rejects.toMatchObject({ code: 'EXEC_CWD' })
})

test('the stack of an error shows who called', async () => {
  const { box } = fakeBox(() => [], { code: 'EXEC_CWD', className: 'ExecutionError', message: 'm', causes: [] })
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
