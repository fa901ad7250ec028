// Processes beyond their call: detached ones that are found again, and those that a timeout or an abort must not leave.
import { finished } from 'node:stream/promises'
import { expect, it } from 'vitest'
import type { Box, Execution } from '../../index.mjs'
import { failure } from '../support/failures.js'
import { useHomes } from '../support/homes.js'
import { useRuntime } from '../support/runtime.js'

const homes = useHomes()
let box: Box
const alive = async (marker: string) =>
  (await box.exec('sh', ['-c', `ps -o args | grep -c '[s]leep ${marker}'`])).stdout.trim()

useRuntime(homes, async ({ runtime, image }) => {
  box = await runtime.create({ image })
})

it('lists nothing of a box that does not run, and does not start it', async () => {
  expect(await box.executions()).toEqual([])
  expect((await box.info()).state).not.toBe('running')
  await failure(box.execution('x').wait(), 'EXEC_NOT_FOUND')
})

it('lists what runs, the oldest first', async () => {
  await using first = box.spawn('sleep', ['100'])
  await first.started
  await using second = box.spawn('sh', ['-c', 'read x'], { tty: true })
  await second.started
  const running = await box.executions()
  expect(
    running.map(({ id, pid, command, args, tty, detached }) => ({ id, pid, command, args, tty, detached })),
  ).toEqual([
    { id: first.id, pid: first.pid, command: 'sleep', args: ['100'], tty: false, detached: false },
    { id: second.id, pid: second.pid, command: 'sh', args: ['-c', 'read x'], tty: true, detached: false },
  ])
  expect(Math.abs(Number(running[0]?.startedAt) - Date.now())).toBeLessThan(60_000)
})

it('lets a detached process outlive its handle and finds it again, with what it said meanwhile', async () => {
  const script = 'head -c 300000 /dev/zero | tr "\\0" x; echo; echo said; read line; echo "heard $line"; exit 5'
  let id: string | undefined
  {
    await using child = box.spawn('sh', ['-c', script], { detached: true })
    await child.started
    id = child.id
  }
  expect((await box.executions()).map(info => [info.id, info.detached])).toEqual([[id, true]])
  const found = box.execution(String(id))
  let output = ''
  for await (const chunk of found.stdout) {
    output += chunk
    if (output.endsWith('said\n')) found.stdin.end('you\n')
  }
  expect(output).toBe(`${'x'.repeat(300_000)}\nsaid\nheard you\n`)
  expect((await found.wait()).exitCode).toBe(5)
  expect(await box.executions()).toEqual([])
})

it('finds an execution again after its end, with its exit and what nobody had read', async () => {
  const child = box.spawn('sh', ['-c', 'echo first; sleep 0.3; echo last; echo error >&2; exit 9'], { detached: true })
  await child.started
  const id = String(child.id)
  await child[Symbol.asyncDispose]()
  while ((await box.executions()).length > 0) await new Promise(resolve => setTimeout(resolve, 50))
  const found = box.execution(id)
  const output = { stdout: '', stderr: '' }
  for await (const event of found) if (event.type !== 'exit') output[event.type] += event.data
  expect(output).toEqual({ stdout: 'first\nlast\n', stderr: 'error\n' })
  expect(found.id).toBe(id)
  expect(await found.wait()).toMatchObject({ exitCode: 9, signal: null })
  expect(await found.kill()).toBe(false)
  // Also by whoever asks after that, and for one that was not detached.
  expect(await box.execution(id).wait()).toMatchObject({ exitCode: 9 })
  const attached = box.spawn('sh', ['-c', 'exit 4'])
  await attached.wait()
  expect(await box.execution(String(attached.id)).wait()).toMatchObject({ exitCode: 4 })
  await failure(box.execution('never-was').wait(), 'EXEC_NOT_FOUND')
})

it('never holds back a detached process that nobody reads', async () => {
  const child = box.spawn('sh', ['-c', 'head -c 20000000 /dev/zero; touch /tmp/wrote; sleep 60'], { detached: true })
  await child.started
  // It ends with an error if the file does not come, however fast or slow this machine is.
  const until = 'until test -f /tmp/wrote; do sleep 0.05; done'
  await box.exec('sh', ['-c', until], { timeoutMs: 30_000, check: true })
  await child.kill('SIGKILL')
  let length = 0
  for await (const chunk of child.stdout) length += chunk.length
  expect(length).toBeGreaterThanOrEqual(1 << 20)
  expect(length).toBeLessThan(2 << 20)
})

const stubborn = (marker: number) =>
  `trap "" TERM; setsid sleep ${marker} & (trap "" TERM; sleep ${marker}) & nohup sleep ${marker} & echo ready; sleep ${marker}`

it('leaves no process behind after a timeout, not even in other sessions', async () => {
  await failure(box.exec('sh', ['-c', stubborn(4711)], { timeoutMs: 700 }), 'EXEC_TIMEOUT')
  expect(await alive('4711')).toBe('0')
})

it('leaves no process behind after an abort', async () => {
  const abort = new AbortController()
  const child = box.spawn('sh', ['-c', stubborn(4712)], { signal: abort.signal })
  child.stdout.on('data', chunk => {
    if (String(chunk).includes('ready')) abort.abort()
  })
  child.stdout.on('error', () => {})
  await failure(child.wait(), 'ABORTED')
  for (let tries = 0; tries < 20 && (await alive('4712')) !== '0'; tries++);
  expect(await alive('4712')).toBe('0')
})

it('lets a background process go on after the end of its command', async () => {
  const { stdout } = await box.exec('sh', ['-c', 'sleep 4713 > /dev/null 2>&1 & echo $!'])
  expect(await alive('4713')).toBe('1')
  await box.exec('sh', ['-c', `kill ${stdout.trim()}`], { check: true })
})

/** Collects what a handle reads, from now on. */
function hearing(child: Execution): { text: string } {
  const heard = { text: '' }
  child.stdout.on('data', chunk => {
    heard.text += String(chunk).replaceAll('\r', '')
  })
  return heard
}

it.each([false, true])(
  'reads what any of its handles writes, and each handle reads all output (terminal: %s)',
  async tty => {
    const script = `${tty ? 'stty -echo; ' : ''}echo ready; while read -r line; do echo "heard $line"; done; exit 3`
    const first = box.spawn('sh', ['-c', script], { detached: true, tty })
    await first.started
    const id = String(first.id)
    const until = (heard: { text: string }, text: string) =>
      expect.poll(() => heard.text, { timeout: 30_000, interval: 20 }).toBe(text)
    const [one, two, three] = ['ready\nheard one\n', 'heard two\n', 'heard three\n']
    const atFirst = hearing(first)
    await until(atFirst, 'ready\n')
    first.stdin.write('one\n')
    await until(atFirst, one)
    const second = box.execution(id)
    const atSecond = hearing(second)
    second.stdin.write('two\n')
    await until(atFirst, one + two)
    await until(atSecond, one + two)
    await first[Symbol.asyncDispose]()
    await using third = box.execution(id)
    const atThird = hearing(third)
    third.stdin.write('three\n')
    await until(atThird, one + two + three)
    await until(atSecond, one + two + three)
    third.stdin.end()
    expect(await third.wait()).toMatchObject({ exitCode: 3 })
    expect(await second.wait()).toMatchObject({ exitCode: 3 })
  },
)

it('refuses what a handle writes after another one has ended the input', async () => {
  await using first = box.spawn('sh', ['-c', 'cat; sleep 60'])
  await first.started
  const second = box.execution(String(first.id))
  second.stdin.end('last\n')
  await finished(second.stdin)
  const refused = await new Promise(resolve => {
    const write = (error?: Error | null) => (error ? resolve(error) : first.stdin.write('x', write))
    write()
  })
  expect(refused).toMatchObject({ code: 'EXEC_INPUT_CLOSED' })
})
