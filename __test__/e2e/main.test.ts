// A box's main process: it starts with the box as docker would start it, its output is kept, and its end is the box's.
import { readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import type { Runtime } from '../../index.mjs'
import { failure } from '../support/failures.js'
import { useHomes } from '../support/homes.js'
import { layout } from '../support/images.js'
import { next, written } from '../support/observed.js'
import { useRuntime } from '../support/runtime.js'

const homes = useHomes()
let runtime: Runtime
let home: string
let image: string

useRuntime(homes, made => {
  home = made.home
  runtime = made.runtime
  image = made.image
})

const sh = (line: string) => ['sh', '-c', line]

it('runs with the box, in its environment, and the box ends with it', async () => {
  const config = { Entrypoint: ['sh', '-c'], Cmd: ['echo $GREETING; id -u; pwd; echo oops >&2; exit 7'] }
  const own = await layout(homes, [], { config: { ...config, Env: ['GREETING=hello'], WorkingDir: '/srv' } })
  const box = await runtime.create({ image: own, main: true, user: '1000', env: { GREETING: 'hi' } })
  await box.start()
  expect(await box.wait()).toMatchObject({ state: 'stopped', exitCode: 7, signal: null, oom: false, failure: null })
  expect(await written(box)).toBe('hi\n1000\n/srv\n')
  expect(await written(box, 'stderr')).toBe('oops\n')
  expect((await box.info()).failure).toBeNull()
})

it('ends by its own signal, the others by SIGTERM, and its last output is preserved over restarts', async () => {
  const line = 'trap "sync; echo bye; exit 3" USR1; trap "echo term" TERM; echo up; while :; do sleep 0.05; done'
  const box = await runtime.create({ image, cmd: sh(line), stopSignal: 'SIGUSR1' })
  await box.start()
  await expect.poll(() => written(box)).toBe('up\n')
  expect((await box.executions()).map(({ id }) => id)).toEqual(['main'])
  const other = box.spawn('sh', ['-c', 'trap "echo asked; exit 0" TERM; echo up; while :; do sleep 0.05; done'])
  let said = ''
  other.stdout.on('data', text => {
    said += text
  })
  await expect.poll(() => said).toBe('up\n')
  await Promise.all([box.stop(), other.wait()])
  expect(said).toBe('up\nasked\n')
  expect(await box.wait()).toMatchObject({ state: 'stopped', exitCode: 3 })
  expect(await written(box)).toBe('up\nbye\n')
  await box.start()
  await expect.poll(() => written(box)).toBe('up\nbye\nup\n')
  await box.remove({ force: true })
})

it('is attached to and signalled like any execution', async () => {
  const box = await runtime.create({ image, cmd: sh('echo first; read line; sleep 600') })
  await box.start()
  const main = box.execution('main')
  await main.kill('SIGKILL')
  expect(await box.wait()).toMatchObject({ exitCode: null, signal: 'SIGKILL', oom: false })
})

it('is started again as its policy says, and each run is reported', async () => {
  const restart = { policy: 'on-failure', maxRetries: 2, delayMs: 10 } as const
  const box = await runtime.create({ image, cmd: sh('echo run; exit 4'), restart })
  const events = box.events()
  await box.start()
  await next(events, { type: 'main', action: 'exited', restarting: false, exitCode: 4 })
  expect(await box.wait()).toMatchObject({ state: 'stopped', exitCode: 4 })
  expect(await written(box)).toBe('run\nrun\nrun\n')
  events.close()
  await box.remove()
})

it('that can not be started fails the start, with the message of docker', async () => {
  const missing = await runtime.create({ image, cmd: ['no-such-program', 'x'] })
  const error = await failure(missing.start(), 'COMMAND_NOT_FOUND')
  expect(error.message).toContain('exec: "no-such-program": executable file not found in $PATH')
  expect(error.stage).toBe('container')
  expect((await missing.info()).state).toBe('failed')
  const forbidden = await runtime.create({ image, cmd: ['/etc/passwd'] })
  await failure(forbidden.start(), 'COMMAND_NOT_EXECUTABLE')
})

it('that writes without end neither fills the disk nor stops', async () => {
  const box = await runtime.create({ image, cmd: sh('head -c 24000000 /dev/zero; echo; echo the end') })
  await box.start()
  expect(await box.wait()).toMatchObject({ state: 'stopped', exitCode: 0 })
  const files = readdirSync(join(home, 'boxes', box.id)).filter(name => name.startsWith('main.log'))
  expect(files.sort()).toEqual(['main.log', 'main.log.1'])
  for (const name of files) expect(statSync(join(home, 'boxes', box.id, name)).size).toBeLessThanOrEqual(8 << 20)
  expect((await written(box)).endsWith('\nthe end\n')).toBe(true)
})
