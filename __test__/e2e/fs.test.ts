// box.fs: names, semantics and errors of node:fs/promises, acting where the box's processes act. One box for the whole file.
import { createHash, randomBytes } from 'node:crypto'
import nodeFs from 'node:fs/promises'
import { PassThrough, Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { beforeAll, describe, expect, it } from 'vitest'
import { type Box, FileError, type FileSystem } from '../../index.mjs'
import { failure } from '../support/failures.js'
import { useHomes } from '../support/homes.js'
import { file, layout, link } from '../support/images.js'

const homes = useHomes()
let box: Box
let fs: FileSystem
let folder = ''
const out = async (line: string) => (await box.exec('sh', ['-c', line], { check: true })).stdout
const digest = (data: Uint8Array) => createHash('sha256').update(data).digest('hex')

beforeAll(async () => {
  const runtime = await homes.open()
  const image = await layout(homes, [[file('etc/greeting', 'hello\n'), link('etc/escape', '/proc/1/cwd/etc/greeting')]])
  box = await runtime.create({ image, workdir: '/var' })
  fs = box.fs
  folder = await fs.mkdtemp('/tmp/t-')
})

describe('whole files', () => {
  it('are read as bytes or as text', async () => {
    expect(await fs.readFile('/etc/greeting')).toEqual(Buffer.from('hello\n'))
    expect(await fs.readFile('/etc/greeting', 'utf8')).toBe('hello\n')
    expect(await fs.readFile('/etc/greeting', { encoding: 'hex' })).toBe('68656c6c6f0a')
    expect(await fs.readFile('/proc/sys/kernel/ostype', 'utf8')).toBe('Linux\n')
  })

  it('are written, replaced and appended to, and processes see it', async () => {
    const path = `${folder}/whole`
    await fs.writeFile(path, 'first and long')
    await fs.writeFile(path, 'second')
    await fs.appendFile(path, Buffer.from(' third'))
    expect(await out(`cat ${path}; stat -c ' %a %u' ${path}`)).toBe('second third 644 0\n')
    await fs.writeFile(path, '3q2+7w==', { encoding: 'base64' })
    expect(await fs.readFile(path)).toEqual(Buffer.from('deadbeef', 'hex'))
  })

  it('keep to flag and mode', async () => {
    const path = `${folder}/exclusive`
    await fs.writeFile(path, '', { flag: 'wx', mode: 0o600 })
    expect((await fs.stat(path)).mode & 0o777).toBe(0o600)
    await failure(fs.writeFile(path, '', { flag: 'wx' }), 'EEXIST')
  })

  it('of megabytes arrive whole, from streams too', async () => {
    const data = randomBytes(5_000_001)
    await fs.writeFile(`${folder}/large`, data)
    expect(await out(`sha256sum ${folder}/large | cut -c1-64`)).toBe(`${digest(data)}\n`)
    expect(digest(await fs.readFile(`${folder}/large`))).toBe(digest(data))
    await fs.writeFile(`${folder}/large`, Readable.from([data.subarray(0, 70_000), data.subarray(70_000)]))
    expect((await fs.stat(`${folder}/large`)).size).toBe(data.length)
  })

  it('are where the processes of the box are: on tmpfs, below symlinks, at the working directory', async () => {
    await fs.writeFile('/dev/shm/file', 'shared memory')
    expect(await out('cat /dev/shm/file')).toBe('shared memory')
    await fs.writeFile('relative', 'r')
    expect(await out('cat /var/relative')).toBe('r')
    // Of the agent's processes there is nothing to be seen, whatever a symlink says.
    expect(await fs.readFile('/etc/escape', 'utf8')).toBe('hello\n')
    expect(await fs.readdir('/')).not.toContain('init')
  })
})

describe('errors', () => {
  it('are those of Node, with code, errno, syscall and path', async () => {
    const error = (await failure(fs.readFile('/none'), 'ENOENT')) as FileError
    expect(error).toBeInstanceOf(FileError)
    expect({ ...error }).toMatchObject({ errno: -2, syscall: 'open', path: '/none' })
    expect(error.message).toBe("ENOENT: no such file or directory, open '/none'")
  })

  it.each<[string, string, (fs: FileSystem) => Promise<unknown>]>([
    ['ENOTDIR', 'scandir', fs => fs.readdir('/etc/greeting')],
    ['EISDIR', 'read', fs => fs.readFile('/etc')],
    ['EEXIST', 'mkdir', fs => fs.mkdir('/etc')],
    ['ENOTEMPTY', 'rmdir', fs => fs.rmdir('/etc')],
    ['EINVAL', 'readlink', fs => fs.readlink('/etc/greeting')],
    ['ENOENT', 'lstat', fs => fs.rm('/none')],
    ['EROFS', 'open', fs => fs.writeFile('/proc/sys/kernel/hostname', 'x')],
  ])('%s of %s', async (code, syscall, work) => {
    expect(((await failure(work(fs), code)) as FileError).syscall).toBe(syscall)
  })

  it.each<[string, (fs: FileSystem | typeof nodeFs, folder: string) => Promise<unknown>]>([
    ['rm of a folder', (fs, folder) => fs.rm(`${folder}/d`)],
    ['rm of a folder by force', (fs, folder) => fs.rm(`${folder}/d`, { force: true })],
    ['rm of nothing', (fs, folder) => fs.rm(`${folder}/none`)],
    ['rm of nothing below a file', (fs, folder) => fs.rm(`${folder}/f/none`, { recursive: true })],
    ['unlink of a folder', (fs, folder) => fs.unlink(`${folder}/d`)],
    ['rmdir of a full folder', (fs, folder) => fs.rmdir(`${folder}/d`)],
    ['rmdir of a file', (fs, folder) => fs.rmdir(`${folder}/f`)],
    ['mkdir of what is there', (fs, folder) => fs.mkdir(`${folder}/d`)],
    ['copyFile of nothing', (fs, folder) => fs.copyFile(`${folder}/none`, `${folder}/x`)],
    ['rename of nothing', (fs, folder) => fs.rename(`${folder}/none`, `${folder}/x`)],
    ['link of nothing', (fs, folder) => fs.link(`${folder}/none`, `${folder}/x`)],
    ['symlink where a file is', (fs, folder) => fs.symlink('x', `${folder}/f`)],
    ['readlink of a file', (fs, folder) => fs.readlink(`${folder}/f`)],
    ['truncate of a folder', (fs, folder) => fs.truncate(`${folder}/d`)],
    ['chmod of nothing', (fs, folder) => fs.chmod(`${folder}/none`, 0o600)],
    ['access of nothing', (fs, folder) => fs.access(`${folder}/none`)],
  ])('side by side with node:fs: %s', async (_, work) => {
    const told = async (fs: FileSystem | typeof nodeFs, folder: string) => {
      await fs.mkdir(`${folder}/d/e`, { recursive: true })
      await fs.writeFile(`${folder}/f`, '')
      const error = (await work(fs, folder).catch(error => error)) as FileError
      const { code, errno, syscall, path, dest, message } = error
      return JSON.stringify({ code, errno, syscall, path, dest, message }).replaceAll(folder, 'FOLDER')
    }
    expect(await told(fs, await fs.mkdtemp('/tmp/twin-'))).toBe(await told(nodeFs, homes.folder()))
  })

  it('name both paths where there are two', async () => {
    const error = (await failure(fs.rename('/none', '/there'), 'ENOENT')) as FileError
    expect([error.path, error.dest]).toEqual(['/none', '/there'])
    expect(error.message).toBe("ENOENT: no such file or directory, rename '/none' -> '/there'")
  })

  it('of wrong arguments come before anything is done', async () => {
    await failure(fs.readFile('a\0b'), 'INVALID_ARGUMENT')
    await failure(fs.writeFile('/x', '', { flag: 'q' }), 'INVALID_ARGUMENT')
  })
})

describe('directories', () => {
  it('are made, with parents, and listed', async () => {
    expect(await fs.mkdir(`${folder}/d/e/f`, { recursive: true })).toBe(`${folder}/d`)
    expect(await fs.mkdir(`${folder}/d/e/f`, { recursive: true })).toBe(undefined)
    await fs.writeFile(`${folder}/d/e/file`, '')
    await fs.symlink('file', `${folder}/d/e/link`)
    expect((await fs.readdir(`${folder}/d/e`)).sort()).toEqual(['f', 'file', 'link'])
    expect((await fs.readdir(`${folder}/d`, { recursive: true })).sort()).toEqual(['e', 'e/f', 'e/file', 'e/link'])
    const entries = await fs.readdir(`${folder}/d`, { recursive: true, withFileTypes: true })
    const found = entries.find(entry => entry.name === 'link')
    expect([found?.parentPath, found?.isSymbolicLink(), found?.isFile()]).toEqual([`${folder}/d/e`, true, false])
    expect(entries.filter(entry => entry.isDirectory()).map(entry => entry.name)).toEqual(['e', 'f'])
  })

  it('of thousands of entries are listed whole', async () => {
    await out(`mkdir ${folder}/many; cd ${folder}/many; seq 5000 | sed s/^/a-long-name-of-an-entry-/ | xargs touch`)
    expect(new Set(await fs.readdir(`${folder}/many`)).size).toBe(5000)
    await fs.rm(`${folder}/many`, { recursive: true })
    expect(await fs.exists(`${folder}/many`)).toBe(false)
  })

  it('and files are removed', async () => {
    await fs.rm(`${folder}/none`, { force: true })
    await fs.mkdir(`${folder}/empty`)
    await fs.rmdir(`${folder}/empty`)
    await fs.writeFile(`${folder}/gone`, '')
    await fs.unlink(`${folder}/gone`)
    expect(await fs.exists(`${folder}/gone`)).toBe(false)
    await failure(fs.access(`${folder}/gone`), 'ENOENT')
    await fs.access('/bin/sh', 1)
  })
})

describe('names and attributes', () => {
  it('rename, copy, link', async () => {
    const at = (name: string) => `${folder}/names-${name}`
    await fs.writeFile(at('a'), 'A', { mode: 0o750 })
    await fs.rename(at('a'), at('b'))
    await fs.copyFile(at('b'), at('c'))
    expect((await fs.stat(at('c'))).mode & 0o777).toBe(0o750)
    await failure(fs.copyFile(at('b'), at('c'), 1), 'EEXIST')
    await fs.link(at('c'), at('d'))
    expect((await fs.stat(at('d'))).nlink).toBe(2)
    await fs.symlink('names-d', at('e'))
    expect(await fs.readlink(at('e'))).toBe('names-d')
    expect(await fs.realpath(at('e'))).toBe(at('d'))
    expect((await fs.lstat(at('e'))).isSymbolicLink()).toBe(true)
    expect((await fs.stat(at('e'))).isFile()).toBe(true)
  })

  it('cp copies trees, but neither into themselves nor without `recursive`', async () => {
    await fs.mkdir(`${folder}/tree/sub`, { recursive: true })
    await fs.writeFile(`${folder}/tree/sub/file`, 'x')
    await fs.symlink('sub/file', `${folder}/tree/link`)
    await fs.utimes(`${folder}/tree/sub/file`, 1, 2)
    await failure(fs.cp(`${folder}/tree`, `${folder}/copy`), 'ERR_FS_EISDIR')
    await failure(fs.cp(`${folder}/tree`, `${folder}/tree/sub/copy`, { recursive: true }), 'ERR_FS_CP_EINVAL')
    await fs.cp(`${folder}/tree`, `${folder}/copy`, { recursive: true, preserveTimestamps: true })
    expect(await fs.readlink(`${folder}/copy/link`)).toBe(`${folder}/tree/sub/file`)
    expect((await fs.stat(`${folder}/copy/sub/file`)).mtimeMs).toBe(2000)
    await fs.writeFile(`${folder}/copy/sub/file`, 'kept')
    await fs.cp(`${folder}/tree`, `${folder}/copy`, { recursive: true, force: false })
    expect(await fs.readFile(`${folder}/copy/sub/file`, 'utf8')).toBe('kept')
    const again = fs.cp(`${folder}/tree`, `${folder}/copy`, { recursive: true, force: false, errorOnExist: true })
    await failure(again, 'ERR_FS_CP_EEXIST')
  })

  it('chmod, chown, utimes, truncate', async () => {
    const path = `${folder}/attributes`
    await fs.writeFile(path, '0123456789')
    await fs.chmod(path, 0o4711)
    await fs.chown(path, 12, 34)
    await fs.utimes(path, new Date(1_500), 1_600_000_000.25)
    await fs.truncate(path, 4)
    const stats = await fs.stat(path)
    expect([stats.uid, stats.gid, stats.size, stats.isFile()]).toEqual([12, 34, 4, true])
    await fs.utimes(path, new Date(1_500), 1_600_000_000.25)
    expect((await fs.stat(path)).mtime.toISOString()).toBe('2020-09-13T12:26:40.250Z')
    expect((await fs.stat(path)).atimeMs).toBe(1_500)
  })
})

describe('an open file', () => {
  it('is read and written at positions and in order', async () => {
    await using handle = await fs.open(`${folder}/handle`, 'w+')
    expect((await handle.write('hello world')).bytesWritten).toBe(11)
    await handle.write(Buffer.from('HELLO'), 0, 5, 0)
    const { bytesRead, buffer } = await handle.read(Buffer.alloc(20), 0, 20, 3)
    expect(buffer.subarray(0, bytesRead).toString()).toBe('LO world')
    await handle.truncate(5)
    expect((await handle.stat()).size).toBe(5)
    await fs.unlink(`${folder}/handle`)
    expect((await handle.read({ position: 0 })).buffer.subarray(0, 5).toString()).toBe('HELLO')
    await handle.sync()
  })

  it('reads on from where it is, and is closed once', async () => {
    await fs.writeFile(`${folder}/rest`, 'first rest')
    const handle = await fs.open(`${folder}/rest`)
    await handle.read(Buffer.alloc(6))
    expect(await handle.readFile('utf8')).toBe('rest')
    await handle.close()
    await handle.close()
    await failure(handle.stat(), 'EBADF')
  })
})

describe('streams', () => {
  it('pipe a file in and out, whole and in part', async () => {
    const data = randomBytes(3_000_000)
    await pipeline(Readable.from([data]), fs.createWriteStream(`${folder}/stream`))
    const chunks = []
    for await (const chunk of fs.createReadStream(`${folder}/stream`, { start: 10, end: 2_000_009 })) chunks.push(chunk)
    expect(digest(Buffer.concat(chunks))).toBe(digest(data.subarray(10, 2_000_010)))
    await pipeline(Readable.from(['xyz']), fs.createWriteStream(`${folder}/stream`, { flags: 'r+', start: 1 }))
    expect((await fs.readFile(`${folder}/stream`)).subarray(0, 5)).toEqual(
      Buffer.concat([data.subarray(0, 1), Buffer.from('xyz'), data.subarray(4, 5)]),
    )
  })

  it('fail as Node streams do', async () => {
    await failure(pipeline(fs.createReadStream('/none'), new PassThrough().resume()), 'ENOENT')
    await failure(pipeline(Readable.from(['x']), fs.createWriteStream('/none/x')), 'ENOENT')
  })

  it('read an endless file only as far as they are read', async () => {
    const stream = fs.createReadStream('/dev/zero')
    for await (const chunk of stream) if (chunk.length > 0) break
    expect(stream.destroyed).toBe(true)
    expect(stream.bytesRead).toBeLessThan(2_000_000)
  })

  it('never wait for a FIFO without a peer', async () => {
    await out(`mkfifo ${folder}/fifo`)
    expect(await fs.readFile(`${folder}/fifo`)).toHaveLength(0)
    await failure(fs.writeFile(`${folder}/fifo`, 'x'), 'ENXIO')
  })
})

describe('extended attributes', () => {
  it('are set, read, listed and removed', async () => {
    const path = `${folder}/attributed`
    await fs.writeFile(path, '')
    await fs.setxattr(path, 'user.one', Buffer.from([0, 255, 1]))
    await fs.setxattr(path, 'user.two', 'text')
    expect(await fs.getxattr(path, 'user.one')).toEqual(Buffer.from([0, 255, 1]))
    expect(await fs.listxattr(path)).toEqual(['user.one', 'user.two'])
    await failure(fs.setxattr(path, 'user.one', 'x', { flag: 'create' }), 'EEXIST')
    await failure(fs.setxattr(path, 'user.none', 'x', { flag: 'replace' }), 'ENODATA')
    await fs.removexattr(path, 'user.one')
    const error = (await failure(fs.getxattr(path, 'user.one'), 'ENODATA')) as FileError
    expect(error.message).toBe(`ENODATA: no data available, getxattr '${path}'`)
    await fs.symlink(path, `${path}-link`)
    expect(await fs.listxattr(`${path}-link`)).toEqual(['user.two'])
    expect(await fs.listxattr(`${path}-link`, { follow: false })).toEqual([])
  })
})

describe('an abort', () => {
  it('ends an endless read and an endless write, and the box is as before', async () => {
    const abort = new AbortController()
    const endless = async function* () {
      for (;;) yield Buffer.alloc(65_536)
    }
    const reading = fs.readFile('/dev/zero', { signal: abort.signal })
    const writing = fs.writeFile('/dev/null', endless(), { signal: abort.signal })
    const stream = fs.createReadStream('/dev/zero', { signal: abort.signal })
    const failed = new Promise(resolve => stream.on('error', resolve))
    await new Promise(resolve => stream.once('ready', resolve))
    abort.abort()
    await expect(reading).rejects.toMatchObject({ name: 'AbortError', code: 'ABORTED' })
    await expect(writing).rejects.toMatchObject({ name: 'AbortError', code: 'ABORTED' })
    expect(await failed).toMatchObject({ name: 'AbortError', code: 'ABORTED' })
    expect(await fs.readFile('/etc/greeting', 'utf8')).toBe('hello\n')
  })
})

describe('wrong data', () => {
  it('leaves the file as it was', async () => {
    await fs.writeFile(`${folder}/kept`, 'kept')
    await failure(fs.writeFile(`${folder}/kept`, 42 as never), 'INVALID_ARGUMENT')
    await failure(fs.truncate(`${folder}/kept`, Number.NaN), 'INVALID_ARGUMENT')
    expect(await fs.readFile(`${folder}/kept`, 'utf8')).toBe('kept')
  })
})

describe('watch', () => {
  it('reports what changes in a directory', async () => {
    await fs.mkdir(`${folder}/watched`)
    const changes = fs.watch(`${folder}/watched`)
    const first = changes.next()
    await fs.writeFile(`${folder}/watched/file`, 'x')
    expect((await first).value).toEqual({ eventType: 'rename', filename: 'file' })
    expect((await changes.next()).value).toEqual({ eventType: 'change', filename: 'file' })
    await changes.return?.()
  })

  it('begins before each later call, of the files and of a command', async () => {
    await fs.mkdir(`${folder}/order`)
    for (let round = 0; round < 20; round++) {
      const changes = fs.watch(`${folder}/order`)
      const name = `file-${round}`
      const path = `${folder}/order/${name}`
      await (round % 2 ? fs.writeFile(path, 'x') : box.exec('touch', [path]))
      expect((await changes.next()).value).toEqual({ eventType: 'rename', filename: name })
      await changes.return?.()
    }
  })

  it('follows a tree, and what appears in it', async () => {
    await fs.mkdir(`${folder}/deep/below`, { recursive: true })
    const abort = new AbortController()
    const changes = fs.watch(`${folder}/deep`, { recursive: true, signal: abort.signal })
    const first = changes.next()
    await out(`touch ${folder}/deep/below/old; mkdir -p ${folder}/deep/new/newer; touch ${folder}/deep/new/newer/leaf`)
    const names = [(await first).value?.filename]
    while (!names.includes('new/newer/leaf')) names.push((await changes.next()).value?.filename)
    expect(names).toContain('below/old')
    expect(names).toContain('new')
    const pending = changes.next()
    abort.abort()
    await expect(pending).rejects.toMatchObject({ name: 'AbortError', code: 'ABORTED' })
    const missing = fs.watch('/none')
    await failure(missing.next(), 'ENOENT')
  })
})

it('keeps files over stop and start, with what was open forgotten', async () => {
  await fs.writeFile('/kept', 'on disk')
  const handle = await fs.open('/kept', 'r+')
  await box.stop()
  expect(await fs.readFile('/kept', 'utf8')).toBe('on disk')
  await failure(handle.stat(), 'EBADF')
})
