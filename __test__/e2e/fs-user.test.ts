// `box.fs.as`: file calls as a user of the box, which the kernel checks as it does that user's processes.
import { once } from 'node:events'
import { beforeAll, expect, it } from 'vitest'
import type { Box, FileSystem } from '../../index.mjs'
import { failure } from '../support/failures.js'
import { useHomes } from '../support/homes.js'
import { file, layout } from '../support/images.js'

const homes = useHomes()
let box: Box
let root: FileSystem
let app: FileSystem

beforeAll(async () => {
  const runtime = await homes.open()
  const image = await layout(homes, [
    [
      file('etc/passwd', 'root:x:0:0::/root:/bin/sh\napp:x:1000:1000::/home/app:/bin/sh\n'),
      file('etc/group', 'root:x:0:\napp:x:1000:\nteam:x:2000:app\n'),
    ],
  ])
  box = await runtime.create({ image })
  root = box.fs
  app = root.as('app')
  await root.mkdir('/private', 0o700)
  await root.writeFile('/private/secret', 'secret', { mode: 0o600 })
  await root.writeFile('/readable', 'for all', { mode: 0o644 })
  await root.mkdir('/team')
  await root.chown('/team', 0, 2000)
  await root.chmod('/team', 0o770)
  await root.mkdir('/home/app', { recursive: true })
  await root.chown('/home/app', 1000, 1000)
})

it('what the user may not do is refused, by calls, streams, handles and watches', async () => {
  const refused: [string, () => Promise<unknown>][] = [
    ['EACCES', () => app.readFile('/private/secret')],
    ['EACCES', () => app.writeFile('/readable', 'x')],
    ['EACCES', () => app.open('/private/secret')],
    ['EACCES', () => app.readdir('/private')],
    ['EACCES', () => app.opendir('/private')],
    ['EACCES', () => app.stat('/private/secret')],
    ['EACCES', () => app.access('/private/secret')],
    ['EACCES', () => app.access('/readable', app.constants.W_OK)],
    ['EACCES', () => app.mkdir('/made')],
    ['EACCES', () => app.rm('/readable')],
    ['EACCES', () => app.rename('/readable', '/tmp/readable')],
    ['EPERM', () => app.chmod('/readable', 0o777)],
    ['EPERM', () => app.chown('/readable', 1000, 1000)],
    ['EPERM', () => app.utimes('/readable', 1, 1)],
    ['EACCES', () => app.truncate('/readable')],
    ['EACCES', () => app.setxattr('/readable', 'user.x', 'y')],
    ['EACCES', () => app.watch('/private').next()],
    ['EACCES', () => once(app.createReadStream('/private/secret'), 'open')],
    ['EACCES', () => once(app.createWriteStream('/made'), 'open')],
  ]
  for (const [code, call] of refused) await failure(call(), code)
  expect(await root.readFile('/readable', 'utf8')).toBe('for all')
})

it('what the user makes belongs to the user, with the umask 022, and groups count', async () => {
  await app.writeFile('/home/app/file', 'mine')
  await app.mkdir('/home/app/folder/deep', { recursive: true })
  await app.symlink('file', '/home/app/link')
  await app.writeFile('/team/note', 'ours')
  await app.cp('/home/app/folder', '/home/app/copy', { recursive: true })
  const out = async (line: string) => (await box.exec('sh', ['-c', line], { check: true })).stdout
  expect(await out("cd /home/app; stat -c '%u:%g %a' file folder folder/deep copy /team/note")).toBe(
    '1000:1000 644\n1000:1000 755\n1000:1000 755\n1000:1000 755\n1000:1000 644\n',
  )
  expect((await root.lstat('/home/app/link')).uid).toBe(1000)
  expect(await app.readFile('/readable', 'utf8')).toBe('for all')
  await using handle = await app.open('/home/app/file', 'r+')
  await handle.chmod(0o600)
  await failure(handle.chown(0, 0), 'EPERM')
  expect((await handle.stat()).mode & 0o777).toBe(0o600)
})

it('a user may be a number or a pair, and an unknown user is refused by name', async () => {
  await root.as('4242:2000').writeFile('/team/numbers', '')
  const { uid, gid } = await root.stat('/team/numbers')
  expect([uid, gid]).toEqual([4242, 2000])
  await failure(root.as(4242).writeFile('/team/none', ''), 'EACCES')
  for (const call of [
    () => root.as('ghost').stat('/'),
    () => root.as('ghost').readdir('/'),
    () => root.as('ghost').readFile('/readable'),
    () => root.as('ghost').writeFile('/tmp/x', ''),
  ]) {
    const error = await failure(call(), 'INVALID_ARGUMENT')
    expect(error.message).toContain('ghost')
  }
})

it('many users at once keep apart, and root is root again', async () => {
  const calls = Array.from({ length: 60 }, async (_, i) => {
    const who = [root, app, root.as('7:7')][i % 3] as FileSystem
    await who.writeFile(`/tmp/crowd-${i}`, '')
    return (await root.stat(`/tmp/crowd-${i}`)).uid
  })
  expect(await Promise.all(calls)).toEqual(Array.from({ length: 60 }, (_, i) => [0, 1000, 7][i % 3]))
  const secrets = await Promise.all(Array.from({ length: 60 }, () => root.readFile('/private/secret', 'utf8')))
  expect(new Set(secrets)).toEqual(new Set(['secret']))
})
