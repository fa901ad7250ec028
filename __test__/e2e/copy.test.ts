// copyIn and copyOut: trees between host and box, whole and exact; what is hostile in a tar stream stays without effect.
import { createHash, randomBytes } from 'node:crypto'
import {
  chmodSync,
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  statSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { PassThrough, Readable, Writable } from 'node:stream'
import { describe, expect, it } from 'vitest'
import { type Box, type CopyProgress, FileError } from '../../index.mjs'
import { capture } from '../../scripts/command.mjs'
import { failure } from '../support/failures.js'
import { useHomes } from '../support/homes.js'
import { useRuntime } from '../support/runtime.js'

const homes = useHomes()
let box: Box
const out = async (line: string) => (await box.exec('sh', ['-c', line], { check: true })).stdout
const digest = (data: Uint8Array) => createHash('sha256').update(data).digest('hex')

useRuntime(homes, async ({ runtime, image }) => {
  box = await runtime.create({ image })
})

/** A tree with one of everything that is kept. */
function tree(): string {
  const folder = join(homes.folder(), 'tree')
  mkdirSync(join(folder, 'sub/empty'), { recursive: true })
  writeFileSync(join(folder, 'sub/script'), '#!/bin/sh\n', { mode: 0o755 })
  writeFileSync(join(folder, `${'long'.repeat(30)}`), 'long name')
  linkSync(join(folder, 'sub/script'), join(folder, 'same'))
  symlinkSync('sub/script', join(folder, 'link'))
  symlinkSync('/nowhere', join(folder, 'dangling'))
  writeFileSync(join(folder, 'sparse'), 'start')
  truncateSync(join(folder, 'sparse'), 64 << 20)
  utimesSync(join(folder, 'sub/script'), 1, 1_234_567_890.5)
  chmodSync(join(folder, 'sub/empty'), 0o500)
  utimesSync(join(folder, 'sub'), 1, 1_000_000_000)
  return folder
}

describe('a tree', () => {
  it('goes in and comes out as it was', async () => {
    const source = tree()
    const there = await box.copyIn(source, '/tmp/there/tree')
    expect(there).toMatchObject({ entries: 9, skipped: 0 })
    expect(
      await out('cd /tmp/there/tree; stat -c "%a %u %Y" sub/script sub/empty sub; readlink link; readlink dangling'),
    ).toBe(
      '755 0 1234567890\n500 0 ' +
        `${Math.floor(statSync(join(source, 'sub/empty')).mtimeMs / 1000)}\n755 0 1000000000\nsub/script\n/nowhere\n`,
    )
    expect(Number(await out('du -k /tmp/there/tree/sparse | cut -f1'))).toBeLessThan(1024)

    const back = join(homes.folder(), 'a/b')
    await box.copyOut('/tmp/there/tree', back)
    expect(readdirSync(back, { recursive: true }).sort()).toEqual(readdirSync(source, { recursive: true }).sort())
    expect(statSync(join(back, 'sub/script')).mtimeMs).toBe(1_234_567_890_500)
    expect(statSync(join(back, 'sub')).mtimeMs).toBe(1_000_000_000_000)
    expect(statSync(join(back, 'sub/empty')).mode & 0o7777).toBe(0o500)
    expect(statSync(join(back, 'same')).ino).toBe(statSync(join(back, 'sub/script')).ino)
    expect(readlinkSync(join(back, 'dangling'))).toBe('/nowhere')
    const sparse = statSync(join(back, 'sparse'))
    expect([sparse.size, sparse.blocks < 2048]).toEqual([64 << 20, true])
    expect(readFileSync(join(back, 'sparse')).subarray(0, 6).toString()).toBe('start\0')
  })

  it('is merged into what is there', async () => {
    await out('mkdir -p /tmp/merge/sub; echo old > /tmp/merge/sub/script; echo mine > /tmp/merge/mine')
    await box.copyIn(tree(), '/tmp/merge')
    expect(await out('cat /tmp/merge/sub/script /tmp/merge/mine')).toBe('#!/bin/sh\nmine\n')
  })

  it('of thousands of small files arrives whole', async () => {
    const source = homes.folder()
    for (let i = 0; i < 2000; i++) writeFileSync(join(source, `file-${i}`), `content ${i}`)
    await box.copyIn(source, '/tmp/small')
    expect(await out('ls /tmp/small | wc -l; cat /tmp/small/file-1999')).toBe('2000\ncontent 1999')
    const back = join(homes.folder(), 'small')
    await box.copyOut('/tmp/small', back)
    expect(readdirSync(back)).toHaveLength(2000)
    expect(readFileSync(join(back, 'file-7'), 'utf8')).toBe('content 7')
  })
})

/** A chain of folders with a file at its end; its paths are too long for Node's own calls. */
const MAKE = 'mkdir $ARGV[0]; chdir $ARGV[0]; for (1 .. 2500) { mkdir "d"; chdir "d" } open F, ">file"; print F "end"'
/** How long the chain is, and what its file holds. */
const LOOK = 'chdir $ARGV[0]; $n++ while chdir "d"; open F, "file"; print "$n ", <F>'

describe('a tree of any depth', () => {
  it('goes in, is copied inside, comes out and is removed', async () => {
    const [source, back] = [join(homes.folder(), 'deep'), join(homes.folder(), 'back')]
    await capture('perl', ['-e', MAKE, source])
    expect(await capture('perl', ['-e', LOOK, source])).toMatchObject({ stdout: '2500 end' })
    expect(await box.copyIn(source, '/opt/deep')).toMatchObject({ entries: 2502 })
    await box.fs.cp('/opt/deep', '/opt/again', { recursive: true })
    expect(await box.copyOut('/opt/again', back)).toMatchObject({ entries: 2502 })
    expect(await capture('perl', ['-e', LOOK, back])).toMatchObject({ stdout: '2500 end' })
    for (const name of ['deep', 'again']) await box.fs.rm(`/opt/${name}`, { recursive: true })
    expect(await box.fs.exists('/opt/deep')).toBe(false)
    for (const name of [source, back]) expect(await capture('rm', ['-r', name])).toMatchObject({ status: 0 })
  })
})

describe('what exists', () => {
  it('takes a file into a folder under its own name, in and out', async () => {
    const source = homes.folder()
    writeFileSync(join(source, 'file'), 'x')
    await out('mkdir -p /opt/empty; ln -s empty /opt/to-empty')
    await box.copyIn(join(source, 'file'), '/opt/empty')
    await box.copyIn(join(source, 'file'), '/opt/new/')
    expect(await out('cat /opt/empty/file /opt/new/file')).toBe('xx')
    await out('rm /opt/empty/file')
    await box.copyIn(join(source, 'file'), '/opt/to-empty')
    expect(await out('cat /opt/empty/file; readlink /opt/to-empty')).toBe('xempty\n')
    const back = homes.folder()
    await box.copyOut('/opt/empty/file', back)
    await box.copyOut('/opt/empty/file', `${back}/slash/`)
    expect(readFileSync(join(back, 'file'), 'utf8')).toBe('x')
    expect(readFileSync(join(back, 'slash/file'), 'utf8')).toBe('x')
  })

  it('is merged into through a symlink to a folder, and keeps its mode', async () => {
    await out(
      'mkdir -m 1777 /opt/top; mkdir -p /opt/top/usr/lib; ln -s usr/lib /opt/top/lib; echo > /opt/top/usr/lib/libc',
    )
    const source = homes.folder()
    mkdirSync(join(source, 'lib'))
    writeFileSync(join(source, 'lib/new'), 'new')
    chmodSync(source, 0o700)
    await box.copyIn(source, '/opt/top')
    expect(await out('cd /opt/top; readlink lib; ls lib; cat usr/lib/new; stat -c %a .')).toBe(
      'usr/lib\nlibc\nnew\nnew1777\n',
    )
  })

  it('gives way to what is of another type only when that is asked for', async () => {
    await out('mkdir -p /opt/types/folder; cd /opt/types; echo file > file; ln -s nowhere link')
    const source = homes.folder()
    writeFileSync(join(source, 'folder'), 'x')
    await failure(box.copyIn(source, '/opt/types'), 'EISDIR')
    const other = homes.folder()
    mkdirSync(join(other, 'file'))
    await failure(box.copyIn(other, '/opt/types'), 'EEXIST')
    const third = homes.folder()
    writeFileSync(join(third, 'link'), 'x')
    await failure(box.copyIn(third, '/opt/types'), 'EEXIST')
    expect(await out('cd /opt/types; cat file; readlink link; ls folder')).toBe('file\nnowhere\n')
    for (const tree of [source, other, third]) await box.copyIn(tree, '/opt/types', { replace: true })
    expect(await out('cd /opt/types; cat folder link; ls -d file/')).toBe('xxfile/\n')
    // The same on the host.
    const back = homes.folder()
    mkdirSync(join(back, 'link'))
    await failure(box.copyOut('/opt/types', back), 'EISDIR')
    await box.copyOut('/opt/types', back, { replace: true })
    expect(readFileSync(join(back, 'link'), 'utf8')).toBe('x')
  })
})

describe('a file whose size lies', () => {
  it('is read to its end, in, out and in a tar archive', async () => {
    const back = homes.folder()
    await box.copyOut('/proc/cpuinfo', join(back, 'cpuinfo'))
    expect(readFileSync(join(back, 'cpuinfo'), 'utf8')).toContain('processor')
    await box.copyIn('/proc/version', '/opt/version')
    expect(await out('cat /opt/version')).toBe(readFileSync('/proc/version', 'utf8'))
    await box.fs.cp('/proc/version', '/opt/of-the-box')
    expect(await out('cmp /proc/version /opt/of-the-box && echo same')).toBe('same\n')
    const chunks: Buffer[] = []
    await box.copyOut(
      '/proc/version',
      new PassThrough().on('data', chunk => chunks.push(chunk)),
    )
    expect(Buffer.concat(chunks).toString()).toContain(await out('cat /proc/version'))
  })
})

describe('a sparse file of 20 GiB', () => {
  it('costs what its data costs, in, inside and out', async () => {
    const source = join(homes.folder(), 'sparse')
    writeFileSync(source, 'start')
    truncateSync(source, 20 * 2 ** 30)
    expect(await box.copyIn(source, '/opt/sparse')).toMatchObject({ bytes: 20 * 2 ** 30 })
    await box.fs.cp('/opt/sparse', '/opt/sparse-2')
    await box.fs.copyFile('/opt/sparse-2', '/opt/sparse-3')
    const back = join(homes.folder(), 'back')
    await box.copyOut('/opt/sparse-3', back)
    for (const name of ['sparse', 'sparse-2', 'sparse-3']) {
      const { size, blocks } = await box.fs.stat(`/opt/${name}`)
      expect([size, blocks < 1024], name).toEqual([20 * 2 ** 30, true])
    }
    const { size, blocks } = statSync(back)
    expect([size, blocks < 1024]).toEqual([20 * 2 ** 30, true])
    expect(await out('head -c 5 /opt/sparse-3')).toBe('start')
  })
})

describe('an owner', () => {
  it('gets all that is copied in, looked up in the box', async () => {
    await out('mkdir -p /etc; echo guard:x:1234:2345::/home:/bin/sh >> /etc/passwd')
    const folder = homes.folder()
    mkdirSync(join(folder, 'sub'))
    writeFileSync(join(folder, 'sub/file'), '')
    symlinkSync('file', join(folder, 'sub/link'))
    for (const [owner, ids] of [
      ['guard', '1234:2345'],
      ['77:88', '77:88'],
    ] as const) {
      await box.copyIn(folder, `/opt/of-${owner}`, { owner })
      const line = `stat -c %u:%g /opt/of-${owner} /opt/of-${owner}/sub /opt/of-${owner}/sub/file /opt/of-${owner}/sub/link`
      expect(await out(line)).toBe(`${ids}\n`.repeat(4))
    }
    await failure(box.copyIn(folder, '/opt/nobody', { owner: 'nobody-there' }), 'EXEC_USER')
    expect(await box.fs.exists('/opt/nobody')).toBe(false)
  })
})

describe('extended attributes', () => {
  it('are kept where asked, there and back', async context => {
    const source = homes.folder()
    writeFileSync(join(source, 'file'), '')
    const set = await capture('python3', [
      '-c',
      `import os; os.setxattr(${JSON.stringify(join(source, 'file'))}, 'user.test', b'a\\nb')`,
    ])
    if (set.status !== 0) context.skip('this folder has no extended attributes, or there is no python3')
    await box.copyIn(source, '/opt/with', { xattrs: true })
    await box.copyIn(source, '/opt/without')
    const back = homes.folder()
    await box.copyOut('/opt/with', join(back, 'with'), { xattrs: true })
    await box.copyOut('/opt/without', join(back, 'without'), { xattrs: true })
    const names = async (name: string) =>
      (await capture('python3', ['-c', `import os; print(os.listxattr(${JSON.stringify(join(back, name, 'file'))}))`]))
        .output
    expect(await names('with')).toContain('user.test')
    expect(await names('without')).not.toContain('user.test')
  })
})

describe('a file', () => {
  it('goes in and out under the name that is asked for, with progress', async () => {
    const source = join(homes.folder(), 'data')
    const data = randomBytes(16_000_001)
    writeFileSync(source, data)
    const seen: CopyProgress[] = []
    await box.copyIn(source, '/opt/new/name', { onProgress: progress => seen.push(progress) })
    expect(seen.at(-1)).toEqual({ entries: 1, bytes: data.length, skipped: 0 })
    expect(await out('sha256sum /opt/new/name | cut -c1-64')).toBe(`${digest(data)}\n`)
    const back = join(homes.folder(), 'back')
    await box.copyOut('/opt/new/name', back)
    expect(digest(readFileSync(back))).toBe(digest(data))
  })

  it('that is not there is an error of Node, on either side', async () => {
    await failure(box.copyIn('/none', '/tmp/none'), 'ENOENT')
    await failure(box.copyOut('/none', join(homes.folder(), 'x')), 'ENOENT')
    await out('echo > /tmp/plain')
    await failure(box.copyIn(tree(), '/tmp/plain/below'), 'EEXIST')
  })

  it('can be given up', async () => {
    await out('head -c 50000000 /dev/zero > /opt/zeros')
    const abort = new AbortController()
    const copy = box.copyOut('/opt/zeros', join(homes.folder(), 'zeros'), { signal: abort.signal })
    setTimeout(() => abort.abort(), 30)
    await expect(copy).rejects.toMatchObject({ name: 'AbortError' })
    expect(await out('echo alive')).toBe('alive\n')
  })
})

describe('mounts', () => {
  it('are those of the processes: tmpfs takes part', async () => {
    const source = homes.folder()
    writeFileSync(join(source, 'a'), 'A')
    await box.copyIn(source, '/dev/shm/in')
    expect(await out('cat /dev/shm/in/a')).toBe('A')
    const back = join(homes.folder(), 'shm')
    await box.copyOut('/dev/shm/in', back)
    expect(readFileSync(join(back, 'a'), 'utf8')).toBe('A')
  })
})

describe('a tar stream', () => {
  it('comes out for tar(1) and goes back in', async () => {
    await box.copyIn(tree(), '/tmp/forth')
    const chunks: Buffer[] = []
    const stream = new PassThrough()
    stream.on('data', chunk => chunks.push(chunk))
    await box.copyOut('/tmp/forth', stream)
    const archive = Buffer.concat(chunks)
    const folder = homes.folder()
    writeFileSync(join(folder, 'archive.tar'), archive)
    const tar = await capture('tar', ['-xf', join(folder, 'archive.tar'), '-C', folder])
    expect(tar.output).toBe('')
    expect(readFileSync(join(folder, 'forth/same'), 'utf8')).toBe('#!/bin/sh\n')
    await box.copyIn(Readable.from([archive]), '/tmp/again')
    expect(await out('cat /tmp/again/forth/same; readlink /tmp/again/forth/link')).toBe('#!/bin/sh\nsub/script\n')
  })

  it('keeps the owners that it names', async () => {
    const folder = homes.folder()
    writeFileSync(join(folder, 'owned'), '')
    const archive = join(homes.folder(), 'owned.tar')
    await capture('tar', ['-cf', archive, '-C', folder, '--owner=:12', '--group=:34', 'owned'])
    await box.copyIn(Readable.from([readFileSync(archive)]), '/tmp/owners')
    expect(await out('stat -c "%u %g" /tmp/owners/owned')).toBe('12 34\n')
  })

  it('that is broken is refused', async () => {
    await failure(box.copyIn(Readable.from([randomBytes(100_000)]), '/tmp/broken'), 'ARCHIVE_INVALID')
  })
})

describe('a bound', () => {
  it('of bytes ends a copy before the file that would exceed it', async () => {
    await out('mkdir -p /opt/bound; cd /opt/bound; head -c 60000 /dev/zero > a; head -c 60000 /dev/zero > b; echo > c')
    const back = homes.folder()
    const error = await failure(box.copyOut('/opt/bound', join(back, 'less'), { maxBytes: 119_999 }), 'COPY_TOO_LARGE')
    expect(error).toBeInstanceOf(FileError)
    expect(error).toMatchObject({ message: 'copy out: the box sends more than 119999 bytes' })
    expect(readdirSync(join(back, 'less'))).toEqual(['a'])
    expect(await box.copyOut('/opt/bound', join(back, 'whole'), { maxBytes: 120_001 })).toMatchObject({
      bytes: 120_001,
    })
    // The length of a file with a hole counts, not what it takes here.
    await out('dd if=/dev/zero of=/opt/hole bs=1 count=0 seek=1G 2>/dev/null; echo end >> /opt/hole')
    await failure(box.copyOut('/opt/hole', join(back, 'hole'), { maxBytes: 1_000_000 }), 'COPY_TOO_LARGE')
    expect(existsSync(join(back, 'hole'))).toBe(false)
  })

  it('of entries ends a copy, folders and links included', async () => {
    await out('mkdir -p /opt/many/d/e; cd /opt/many/d; ln -s x link; touch e/f')
    const back = homes.folder()
    expect(await box.copyOut('/opt/many', join(back, 'whole'), { maxEntries: 5 })).toMatchObject({ entries: 5 })
    await failure(box.copyOut('/opt/many', join(back, 'less'), { maxEntries: 4 }), 'COPY_TOO_LARGE')
    expect(readdirSync(join(back, 'less'), { recursive: true })).toHaveLength(3)
  })

  it('of a stream is of its archive, and holds while the box sends without end', async () => {
    let length = 0
    const count = () =>
      new Writable({
        write(chunk, _, done) {
          length += chunk.length
          done()
        },
      })
    await failure(box.copyOut('/opt/bound', count(), { maxBytes: 100_000 }), 'COPY_TOO_LARGE')
    expect(length).toBeLessThanOrEqual(100_000)
    length = 0
    const { bytes } = await box.copyOut('/opt/bound', count())
    await box.copyOut('/opt/bound', count(), { maxBytes: bytes })
    expect(length).toBe(2 * bytes)
    await failure(box.copyOut('/opt/bound', count(), { maxEntries: 1 }), 'INVALID_ARGUMENT')
    await failure(box.copyOut('/opt/bound', '/nowhere', { maxBytes: -1 }), 'INVALID_ARGUMENT')
  })
})

it('what is special in a box comes out harmless', async () => {
  await out(`mkdir /tmp/special; cd /tmp/special; mkfifo fifo; mknod null c 1 3; ln -s / root; ln -s ../../.. up
    cp /bin/busybox suid; chmod 6755 suid; mkdir sticky; chmod 1777 sticky`)
  const back = join(homes.folder(), 'special')
  expect(await box.copyOut('/tmp/special', back)).toMatchObject({ skipped: 2 })
  expect(readdirSync(back).sort()).toEqual(['root', 'sticky', 'suid', 'up'])
  expect(statSync(join(back, 'suid')).mode & 0o7777).toBe(0o755)
  expect(statSync(join(back, 'sticky')).mode & 0o7777).toBe(0o777)
  expect(lstatSync(join(back, 'root')).isSymbolicLink()).toBe(true)
  expect(existsSync(join(back, 'fifo'))).toBe(false)
})
