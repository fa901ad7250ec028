// `box.exec` and `box.spawn`: collecting, limits, and what reaches the native half.
import { getEventListeners } from 'node:events'
import { describe, expect, test } from 'vitest'
import { ExecutionError } from '../../lib/errors.js'
import { exit, fakeBox, LOST, quiet } from './fake.js'

const bytes = (text: string) => Buffer.from(text)
const CWD = { code: 'EXEC_CWD', message: 'exec', causes: [] }

const failed = (code: string, message: string) => ({ code, message, causes: [] })

// With a signal or input it is another call of the native half.
describe.each([
  ['alone', {}],
  ['with a signal', { signal: new AbortController().signal }],
  ['with input', { stdin: 'x' }],
])('a command %s', (_, how) => {
  test('gives both streams and the exit code', async () => {
    const collected = { stdout: bytes('a€b'), stderr: bytes('e'), exit: { code: 3 } }
    const { box } = fakeBox(() => [], { collected })
    expect(await box.exec('x', how)).toEqual({
      exitCode: 3,
      signal: null,
      oomKilled: false,
      stdout: 'a€b',
      stderr: 'e',
    })
  })

  test('that a signal ended has no exit code', async () => {
    const { box } = fakeBox(() => [], { collected: { exit: { signal: 'SIGTERM', oomKilled: true } } })
    expect(await box.exec('x', how)).toMatchObject({ exitCode: null, signal: 'SIGTERM', oomKilled: true })
  })

  test('gives bytes on demand', async () => {
    const stdout = Buffer.of(0xff, 0)
    const { box } = fakeBox(() => [], { collected: { stdout, exit: { code: 0 } } })
    expect((await box.exec('x', { ...how, encoding: 'buffer' })).stdout.equals(stdout)).toBe(true)
  })

  test('that fails rejects with the output so far and the end', async () => {
    const error = failed('EXEC_TIMEOUT', 'command `sleep`: ran longer than 50 ms')
    const collected = { stdout: bytes('so far'), exit: { signal: 'SIGTERM', timedOut: true }, error }
    const { box } = fakeBox(() => [], { collected })
    const rejected = await box.exec('sleep', ['9'], { ...how, timeoutMs: 50 }).catch(error => error)
    expect(rejected).toBeInstanceOf(ExecutionError)
    expect(rejected).toMatchObject({
      code: error.code,
      message: error.message,
      stdout: 'so far',
      stderr: '',
      exitCode: null,
      signal: 'SIGTERM',
    })
  })

  test('that fails before its end has no exit code', async () => {
    const collected = { stdout: bytes('12345'), error: failed('EXEC_MAX_BUFFER', 'too much') }
    const rejected = await fakeBox(() => [], { collected })
      .box.exec('x', how)
      .catch(error => error)
    expect(rejected).toMatchObject({ code: 'EXEC_MAX_BUFFER', stdout: '12345' })
    expect(rejected).not.toHaveProperty('exitCode')
  })

  test('rejects with what is no failure of the command', async () => {
    const { box } = fakeBox(() => [], { collected: { stdout: bytes('abc'), error: LOST } })
    const rejected = await box.exec('x', how).catch(error => error)
    expect(rejected).toMatchObject({ code: 'PORTAL_LOST' })
    expect(rejected).not.toHaveProperty('stdout')
  })
})

test('the native half gets the options of collecting that differ from the defaults', async () => {
  const { box, collects } = fakeBox(() => [])
  await box.exec('x', { maxBuffer: 5 })
  await box.exec('x', { check: true })
  await box.exec('x', { check: false })
  await box.sh`x`
  expect(collects).toEqual([{ maxBuffer: 5 }, { check: true }, undefined, { title: 'x' }])
})

test('input is written and ended', async () => {
  const { box, commands } = fakeBox(() => [])
  const { signal, abort } = controller()
  const running = box.exec('cat', { stdin: ['a', 'b'], signal }).catch(error => error)
  await expect.poll(() => commands[0]?.stdinClosed).toBe(true)
  expect(Buffer.concat(commands[0]?.written ?? []).toString()).toBe('ab')
  abort()
  await running
})

test('a source that fails ends the command with its error', async () => {
  const source = (async function* () {
    yield 'a'
    throw new Error('source broke')
  })()
  const { box, commands } = fakeBox(() => [])
  await expect(box.exec('cat', { stdin: source })).rejects.toMatchObject({
    code: 'EXEC_INPUT_FAILED',
    cause: { message: 'source broke' },
    stdout: '',
  })
  expect(commands[0]?.cancelled).toBe(true)
})

function controller() {
  const controller = new AbortController()
  return { signal: controller.signal, abort: () => controller.abort() }
}

test('options and arguments reach the native half', async () => {
  const { box, inputs } = fakeBox(() => [[exit()]])
  await box.exec('ls', ['-l'], { cwd: '/', env: { A: '1', B: undefined }, user: 1000, tty: true, timeoutMs: 5 })
  await box.exec('ls')
  await box.exec('cat', { stdin: 'x', signal: AbortSignal.timeout(1) }).catch(() => {})
  box.spawn('sh', { tty: { cols: 10, rows: 5 } })
  box.spawn('sh', { stdin: 'none' })
  expect(inputs).toEqual([
    {
      command: 'ls',
      args: ['-l'],
      options: {
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
    { command: 'cat', args: [], options: expect.objectContaining({ env: {}, stdin: true, timeoutMs: 0 }) },
    { command: 'sh', args: [], options: expect.objectContaining({ tty: { cols: 10, rows: 5 }, stdin: true }) },
    { command: 'sh', args: [] },
  ])
})

test('abort rejects with the output so far, and cancels', async () => {
  const { box, commands } = fakeBox(() => [], { collected: { stdout: bytes('abc') } })
  const controller = new AbortController()
  const running = box.exec('x', { signal: controller.signal }).catch(error => error)
  await quiet()
  controller.abort(new Error('enough'))
  const error = await running
  expect(error).toMatchObject({ name: 'AbortError', code: 'ABORTED', stdout: 'abc', cause: { message: 'enough' } })
  expect(commands[0]?.cancelled).toBe(true)
  expect(getEventListeners(controller.signal, 'abort')).toHaveLength(0)
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
  expect(inputs[0]).toMatchObject({ command: '/bin/sh', args: ['-c', `echo <it's> <a b> <c> \${HOME} \`id\` \\\\n`] })
  expect(inputs[1]).toMatchObject({ args: ['-c', 'ls <1>'], options: { cwd: '/tmp' } })
})
