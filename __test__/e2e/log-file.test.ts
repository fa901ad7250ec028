// The library's own log, at its finest level: a line for each event, what an operator looks for, and no secret.
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { failure } from '../support/failures.js'
import { useHomes } from '../support/homes.js'
import { layout } from '../support/images.js'

const homes = useHomes()
const SECRETS = ['pass-4711', 'token-4712', 'env-4713', 'arg-4714', 'exec-env-4715', 'stdin-4716']
const [PASSWORD, TOKEN, ENV, ARG, EXEC_ENV, STDIN] = SECRETS as [string, string, string, string, string, string]
const asked: string[] = []

/** A registry that nobody can please. */
const registry = createServer((request, response) => {
  asked.push(request.headers.authorization ?? '')
  response.writeHead(401, { 'WWW-Authenticate': 'Basic realm="x"' }).end()
})

beforeAll(async () => {
  // Read once, when the first home is opened.
  process.env.BOXLITE_LOG = 'trace'
  await new Promise<void>(resolve => registry.listen(0, '127.0.0.1', resolve))
})
afterAll(() => {
  delete process.env.BOXLITE_LOG
  registry.close()
})

it('has the events of a box in its lines, and no secret', async () => {
  const home = homes.folder()
  const image = await layout(homes)
  const host = `127.0.0.1:${(registry.address() as AddressInfo).port}`
  const registries = [
    { host, http: true, credentials: { username: 'user', password: PASSWORD } },
    { host: 'other.example', credentials: { token: TOKEN } },
  ]
  const runtime = await homes.open({ home, registries })
  await failure(runtime.images.pull(`${host}/private/app:1`), 'IMAGE_UNAUTHORIZED')
  expect(asked.some(header => Buffer.from(header.slice(6), 'base64').toString() === `user:${PASSWORD}`)).toBe(true)

  const box = await runtime.create({ image, name: 'logged', env: { SECRET: ENV } })
  const { stdout } = await box.exec('sh', ['-c', `echo "$SECRET $TOKEN ${ARG}"; cat`], {
    env: { TOKEN: EXEC_ENV },
    stdin: STDIN,
  })
  expect(stdout).toBe(`${ENV} ${EXEC_ENV} ${ARG}\n${STDIN}`)
  await failure(box.exec('no-such-program', [ARG]), 'COMMAND_NOT_FOUND')
  await box.stop()
  const broken = await runtime.create({ image: `${host}/private/app:2`, name: 'broken', env: { SECRET: ENV } })
  await failure(broken.start(), 'IMAGE_UNAUTHORIZED')
  await runtime.close()

  const file = join(home, 'logs/boxlite.log')
  const text = readFileSync(file, 'utf8')
  const lines = text.trimEnd().split('\n')
  for (const line of lines) expect(line).toMatch(/^\d{4}-\d\d-\d\dT[\d:.]+Z \[\d+\] +[A-Z]+ .*boxlite/)
  for (const secret of SECRETS) expect(text).not.toContain(secret)
  expect(text).not.toContain(Buffer.from(`user:${PASSWORD}`).toString('base64'))
  const line = (words: string) => lines.find(candidate => candidate.includes(words)) ?? `no line: ${words}`
  expect(line('home opened')).toContain(home)
  expect(line('box created')).toMatch(new RegExp(`INFO.*box_id="${box.id}" name="logged" image="`))
  expect(line('box started')).toMatch(
    /INFO.*engine="\w+".*total_ms=[\d.]+ stages="image=[\d.]+ rootfs=.* container=[\d.]+"/,
  )
  expect(line('execution started')).toMatch(/DEBUG.*command="sh"/)
  expect(line('box stopped')).toContain('INFO')
  expect(line('not pulled')).toMatch(/WARN.*code="IMAGE_UNAUTHORIZED"/)
  expect(line('box failed')).toMatch(/WARN.*name="broken".*reason=/)
  expect(lines.at(-1)).toContain('home closed')
  expect(statSync(file).mode & 0o777).toBe(0o600)
  expect(readdirSync(join(home, 'logs'))).toEqual(['boxlite.log'])
})

it('is each home’s own, and goes on when that is opened again', async () => {
  const homesOf = [homes.folder(), homes.folder()] as const
  for (const home of [...homesOf, homesOf[0]]) await (await homes.open({ home })).close()
  const opened = homesOf.map(home => readFileSync(join(home, 'logs/boxlite.log'), 'utf8').match(/home opened/g)?.length)
  expect(opened).toEqual([2, 1])
})
