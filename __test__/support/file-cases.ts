// Cases from Node's own tests of its file functions, which run on any file system with Node's function names: `fs-node.test.ts` runs each
// on the host's `node:fs` and on a box's files, and both must give the same result.

import { type EventEmitter, once } from 'node:events'
import type nodeFs from 'node:fs'
import type { ReadStream } from 'node:fs'
import type promises from 'node:fs/promises'
import { Readable } from 'node:stream'
import { finished, pipeline } from 'node:stream/promises'
import { pathToFileURL } from 'node:url'

/** The functions that both have. */
export type Files = typeof promises & Pick<typeof nodeFs, 'createReadStream' | 'createWriteStream' | 'constants'>

export interface Case {
  name: string
  /** Does something in an empty folder, and returns the result. */
  run(fs: Files, folder: string): Promise<unknown>
  /** The sentence of `docs/api.md` that says why the two differ. */
  differs?: string
}

const text = (fs: Files, path: string) => fs.readFile(path, 'utf8')

/** Returns the outcome of one step, also if it fails, so that a case can continue. */
async function tried(work: () => unknown): Promise<unknown> {
  try {
    return { value: await work() }
  } catch (error) {
    return told(error)
  }
}

/** The properties that Node documents for an error. */
export function told(error: unknown): unknown {
  const { code, errno, syscall, path, dest, message } = error as Record<string, unknown>
  return { error: { code, errno, syscall, path, dest, message } }
}

async function chunksOf(stream: ReadStream | Readable): Promise<string[]> {
  const chunks: string[] = []
  for await (const chunk of stream) chunks.push(String(chunk))
  return chunks
}

/** Returns the events of a stream, in order, until it is closed. */
async function eventsOf(stream: EventEmitter): Promise<string[]> {
  const events: string[] = []
  for (const name of ['open', 'ready', 'end', 'finish', 'error']) stream.on(name, () => events.push(name))
  await once(stream, 'close').catch(() => once(stream, 'close'))
  events.push('close')
  return events
}

const MODE = 0o7777

const CASES: [string, Case['run'], string?][] = [
  // Whole files.
  [
    'readFile of an empty file',
    async (fs, f) => {
      await fs.writeFile(`${f}/e`, '')
      return [await text(fs, `${f}/e`), await fs.readFile(`${f}/e`)]
    },
  ],
  [
    'readFile in each encoding',
    async (fs, f) => {
      await fs.writeFile(`${f}/x`, Buffer.from([0xe4, 0xbd, 0xa0, 0xff, 0x41]))
      const read = async (encoding: BufferEncoding) => fs.readFile(`${f}/x`, { encoding })
      return Promise.all(
        (['utf8', 'latin1', 'hex', 'base64', 'base64url', 'ascii', 'binary', 'ucs2'] as const).map(read),
      )
    },
  ],
  ['readFile of nothing', (fs, f) => fs.readFile(`${f}/none`)],
  ['readFile of a folder', (fs, f) => fs.readFile(f)],
  ['readFile below a file', (fs, f) => fs.writeFile(`${f}/x`, '').then(() => fs.readFile(`${f}/x/y`))],
  [
    'readFile with flag a+ makes the file',
    async (fs, f) => [
      await fs.readFile(`${f}/new`, { flag: 'a+', encoding: 'utf8' }),
      (await fs.stat(`${f}/new`)).size,
    ],
  ],
  [
    'readFile with flag wx of what is there',
    (fs, f) => fs.writeFile(`${f}/x`, 'x').then(() => fs.readFile(`${f}/x`, { flag: 'wx' })),
  ],
  ['readFile of a name that is too long', (fs, f) => fs.readFile(`${f}/${'n'.repeat(300)}`)],
  [
    'readFile of an empty path',
    fs => tried(() => fs.readFile('')),
    'An empty path is in no error: `path` and the quotes of the message are left out.',
  ],
  [
    'readFile by URL and by Buffer',
    async (fs, f) => {
      await fs.writeFile(`${f}/a b`, 'content')
      return [await fs.readFile(pathToFileURL(`${f}/a b`), 'utf8'), await fs.readFile(Buffer.from(`${f}/a b`), 'utf8')]
    },
  ],
  [
    'writeFile: text, bytes, views, iterables, streams',
    async (fs, f) => {
      const data = ['text', Buffer.from('buffer'), new Uint16Array([0x4142, 0x4344]), new DataView(new ArrayBuffer(3))]
      const written: string[] = []
      for (const one of [...data, ['a', 'b'], Readable.from(['c', 'd'])]) {
        await fs.writeFile(`${f}/x`, one as string)
        written.push(await text(fs, `${f}/x`))
      }
      return written
    },
  ],
  ['writeFile in an encoding', (fs, f) => fs.writeFile(`${f}/x`, 'aGk=', 'base64').then(() => text(fs, `${f}/x`))],
  [
    'writeFile with each flag',
    async (fs, f) => {
      const outcomes: unknown[] = []
      for (const flag of ['w', 'wx', 'xw', 'a', 'ax', 'as', 'r+', 'w+', 'a+', 'rs+', 'sr+', 'wx+', 'as+']) {
        await fs.writeFile(`${f}/x`, 'before')
        outcomes.push(await tried(() => fs.writeFile(`${f}/x`, 'new', { flag })), await text(fs, `${f}/x`))
      }
      return outcomes
    },
  ],
  [
    'writeFile makes files with mode and umask',
    async (fs, f) => {
      const modes: number[] = []
      for (const mode of [0o666, 0o600, '755', 0o777]) {
        await fs.writeFile(`${f}/m${mode}`, '', { mode: mode as number })
        modes.push((await fs.stat(`${f}/m${mode}`)).mode & MODE)
      }
      return modes
    },
  ],
  [
    'writeFile with flag r of what is there',
    (fs, f) => fs.writeFile(`${f}/x`, 'x').then(() => fs.writeFile(`${f}/x`, 'y', { flag: 'r' })),
  ],
  ['writeFile of a folder', (fs, f) => fs.writeFile(f, 'x')],
  [
    'writeFile with flush',
    (fs, f) => fs.writeFile(`${f}/x`, 'x', { flush: true } as object).then(() => text(fs, `${f}/x`)),
  ],
  [
    'writeFile whose source fails keeps what came before',
    async (fs, f) => {
      const source = async function* () {
        yield 'first'
        throw new Error('the source')
      }
      return [await tried(() => fs.writeFile(`${f}/x`, source())), await text(fs, `${f}/x`)]
    },
  ],
  [
    'appendFile: makes, appends, in an encoding',
    async (fs, f) => {
      await fs.appendFile(`${f}/x`, 'one')
      await fs.appendFile(`${f}/x`, Buffer.from('two'))
      await fs.appendFile(`${f}/x`, '746872', 'hex')
      await fs.appendFile(`${f}/m`, '', { mode: 0o640 })
      return [await text(fs, `${f}/x`), (await fs.stat(`${f}/m`)).mode & MODE]
    },
  ],

  // Directories.
  [
    'mkdir: mode as number, text and option',
    async (fs, f) => {
      await fs.mkdir(`${f}/a`, 0o700)
      await fs.mkdir(`${f}/b`, '750')
      await fs.mkdir(`${f}/c`, { mode: 0o777 })
      const mode = async (name: string) => (await fs.stat(`${f}/${name}`)).mode & MODE
      return Promise.all(['a', 'b', 'c'].map(mode))
    },
  ],
  ['mkdir of what is there', (fs, f) => fs.mkdir(f)],
  ['mkdir below nothing', (fs, f) => fs.mkdir(`${f}/a/b`)],
  [
    'mkdir recursive answers the first that was made',
    async (fs, f) => [
      await fs.mkdir(`${f}/a/b/c`, { recursive: true }),
      await fs.mkdir(`${f}/a/b/c`, { recursive: true }),
      await fs.mkdir(`${f}/a/b/d/e`, { recursive: true }),
    ],
  ],
  [
    'mkdir recursive onto a file',
    (fs, f) => fs.writeFile(`${f}/x`, '').then(() => fs.mkdir(`${f}/x`, { recursive: true })),
  ],
  [
    'mkdir recursive below a file',
    (fs, f) => fs.writeFile(`${f}/x`, '').then(() => fs.mkdir(`${f}/x/y/z`, { recursive: true })),
  ],
  [
    'mkdir with a slash and dots at the end',
    async (fs, f) => {
      await fs.mkdir(`${f}/a/`)
      await fs.mkdir(`${f}/b/../c/./d/`, { recursive: true }).catch(() => {})
      return fs.readdir(f)
    },
  ],
  [
    'mkdtemp',
    async (fs, f) => {
      const made = [
        await fs.mkdtemp(`${f}/t-`),
        await fs.mkdtemp(Buffer.from(`${f}/u-`) as never, { encoding: 'utf8' }).then(String),
      ]
      const stats = await fs.stat(made[0] as string)
      return [made.map(path => path.slice(0, -6)), stats.isDirectory(), stats.mode & MODE]
    },
  ],
  [
    'mkdtemp below nothing',
    async (fs, f) => {
      const error = (await tried(() => fs.mkdtemp(`${f}/none/t-`))) as { error: Record<string, string> }
      return [error.error.code, error.error.syscall, error.error.path?.slice(0, -6)]
    },
  ],
  [
    'readdir is sorted, by bytes',
    async (fs, f) => {
      for (const name of ['b', 'a', 'B', 'ä', '10', '9', '.x', 'a.b']) await fs.writeFile(`${f}/${name}`, '')
      return fs.readdir(f)
    },
  ],
  [
    'readdir in encodings',
    async (fs, f) => {
      await fs.writeFile(`${f}/ä`, '')
      return [await fs.readdir(f, 'latin1'), await fs.readdir(f, { encoding: 'hex' }), await fs.readdir(f, 'buffer')]
    },
  ],
  [
    'names that are not UTF-8',
    async (fs, f) => {
      const path = Buffer.concat([Buffer.from(`${f}/`), Buffer.from([0xff, 0xfe, 0x41])])
      await fs.writeFile(path, 'bytes')
      await fs.symlink(path, `${f}/link`)
      return [
        await fs.readdir(f),
        await fs.readdir(f, 'buffer'),
        await fs.readFile(path, 'utf8'),
        (await fs.readlink(`${f}/link`, 'buffer')).equals(path),
        (await fs.realpath(`${f}/link`, { encoding: 'buffer' })).equals(path),
        (await fs.readdir(f, { withFileTypes: true, encoding: 'buffer' as never })).map(entry => entry.name),
        await tried(() => fs.stat(Buffer.concat([path, Buffer.from('none')]))),
      ]
    },
  ],
  [
    'readdir withFileTypes',
    async (fs, f) => {
      await fs.mkdir(`${f}/d`)
      await fs.writeFile(`${f}/f`, '')
      await fs.symlink('f', `${f}/l`)
      const entries = await fs.readdir(f, { withFileTypes: true })
      return entries.map(e => [
        e.name,
        e.parentPath,
        e.isFile(),
        e.isDirectory(),
        e.isSymbolicLink(),
        e.isFIFO(),
        e.isSocket(),
      ])
    },
  ],
  [
    'readdir recursive',
    async (fs, f) => {
      await fs.mkdir(`${f}/b/c`, { recursive: true })
      await fs.mkdir(`${f}/a/z`, { recursive: true })
      for (const name of ['b/2', 'b/1', 'b/c/x', 'a/y', 'top']) await fs.writeFile(`${f}/${name}`, '')
      const entries = await fs.readdir(f, { recursive: true, withFileTypes: true })
      return [await fs.readdir(f, { recursive: true }), entries.map(entry => [entry.name, entry.parentPath])]
    },
  ],
  [
    'readdir recursive over a symlink to a folder',
    async (fs, f) => {
      await fs.mkdir(`${f}/d`)
      await fs.writeFile(`${f}/d/x`, '')
      await fs.symlink('d', `${f}/link`)
      return fs.readdir(f, { recursive: true })
    },
    '`readdir({ recursive })` follows no symlink.',
  ],
  ['readdir of a file', (fs, f) => fs.writeFile(`${f}/x`, '').then(() => fs.readdir(`${f}/x`))],
  ['readdir of nothing', (fs, f) => fs.readdir(`${f}/none`)],
  [
    'opendir: entries, path, order of nothing',
    async (fs, f) => {
      for (const name of ['a', 'b', 'c']) await fs.writeFile(`${f}/${name}`, '')
      const dir = await fs.opendir(f)
      const names: string[] = []
      for await (const entry of dir) names.push(`${entry.name} ${entry.isFile()} ${entry.parentPath}`)
      return [
        dir.path,
        names.sort(),
        await tried(() => dir.close()).then(outcome => (outcome as { error: { code: string } }).error.code),
      ]
    },
  ],
  [
    'opendir: read to the end, and closed',
    async (fs, f) => {
      await fs.writeFile(`${f}/a`, '')
      const dir = await fs.opendir(f, { encoding: 'utf8', bufferSize: 1 })
      const read = [(await dir.read())?.name, await dir.read(), await dir.read()]
      await dir.close()
      return read
    },
  ],
  ['opendir of nothing', (fs, f) => fs.opendir(`${f}/none`)],
  ['opendir of a file', (fs, f) => fs.writeFile(`${f}/x`, '').then(() => fs.opendir(`${f}/x`))],
  [
    'rmdir: empty, full, file, nothing',
    async (fs, f) => {
      await fs.mkdir(`${f}/full/x`, { recursive: true })
      await fs.writeFile(`${f}/file`, '')
      return [
        await tried(() => fs.rmdir(`${f}/full/x`)),
        await tried(() => fs.rmdir(`${f}`)),
        await tried(() => fs.rmdir(`${f}/file`)),
        await tried(() => fs.rmdir(`${f}/none`)),
      ]
    },
  ],
  [
    'rm: file, tree, symlink, nothing',
    async (fs, f) => {
      await fs.mkdir(`${f}/tree/a/b`, { recursive: true })
      await fs.writeFile(`${f}/tree/a/x`, '')
      await fs.writeFile(`${f}/file`, '')
      await fs.symlink('tree', `${f}/link`)
      return [
        await tried(() => fs.rm(`${f}/file`)),
        await tried(() => fs.rm(`${f}/tree`)),
        await tried(() => fs.rm(`${f}/link`)),
        await tried(() => fs.rm(`${f}/none`)),
        await tried(() => fs.rm(`${f}/none`, { force: true })),
        await tried(() => fs.rm(`${f}/none`, { recursive: true })),
        await fs.readdir(f),
        await tried(() => fs.rm(`${f}/tree`, { recursive: true, maxRetries: 2, retryDelay: 1 })),
        await fs.readdir(f),
      ]
    },
  ],
  [
    'unlink: file, symlink, folder, nothing',
    async (fs, f) => {
      await fs.writeFile(`${f}/x`, '')
      await fs.symlink('x', `${f}/l`)
      return [
        await tried(() => fs.unlink(`${f}/l`)),
        await tried(() => fs.unlink(`${f}/x`)),
        await tried(() => fs.unlink(f)),
        await tried(() => fs.unlink(`${f}/x`)),
      ]
    },
  ],

  // Names.
  [
    'rename: over a file, a folder over a full one, of nothing',
    async (fs, f) => {
      await fs.writeFile(`${f}/a`, 'a')
      await fs.writeFile(`${f}/b`, 'b')
      await fs.mkdir(`${f}/d`)
      await fs.mkdir(`${f}/e/x`, { recursive: true })
      return [
        await tried(() => fs.rename(`${f}/a`, `${f}/b`)),
        await text(fs, `${f}/b`),
        await tried(() => fs.rename(`${f}/d`, `${f}/e`)),
        await tried(() => fs.rename(`${f}/b`, `${f}/d`)),
        await tried(() => fs.rename(`${f}/none`, `${f}/x`)),
        await tried(() => fs.rename(`${f}/e`, `${f}/e/below`)),
      ]
    },
  ],
  [
    'link: of a file, onto one, of nothing, of a folder',
    async (fs, f) => {
      await fs.writeFile(`${f}/a`, 'a')
      return [
        await tried(() => fs.link(`${f}/a`, `${f}/b`)),
        (await fs.stat(`${f}/b`)).nlink,
        await tried(() => fs.link(`${f}/a`, `${f}/b`)),
        await tried(() => fs.link(`${f}/none`, `${f}/c`)),
        await tried(() => fs.link(f, `${f}/c`)),
      ]
    },
  ],
  [
    'symlink, readlink, realpath, lstat',
    async (fs, f) => {
      await fs.mkdir(`${f}/d`)
      await fs.symlink('d', `${f}/l`, 'dir')
      await fs.symlink('nowhere', `${f}/broken`)
      await fs.symlink('loop', `${f}/loop`)
      return [
        await fs.readlink(`${f}/l`),
        await fs.readlink(`${f}/l`, 'hex'),
        (await fs.realpath(`${f}/l/../l`)).endsWith('/d'),
        (await fs.lstat(`${f}/l`)).isSymbolicLink(),
        (await fs.stat(`${f}/l`)).isDirectory(),
        await tried(() => fs.stat(`${f}/broken`)),
        await tried(() => fs.realpath(`${f}/broken`)),
        await tried(() => fs.stat(`${f}/loop`)),
        await tried(() => fs.symlink('x', `${f}/l`)),
        await tried(() => fs.readlink(`${f}/d`)),
        await tried(() => fs.readlink(`${f}/none`)),
      ]
    },
  ],
  [
    'copyFile: mode, over a file, exclusive, of nothing, onto a folder',
    async (fs, f) => {
      await fs.writeFile(`${f}/a`, 'content', { mode: 0o640 })
      await fs.writeFile(`${f}/b`, 'something longer than that')
      return [
        await tried(() => fs.copyFile(`${f}/a`, `${f}/b`)),
        await text(fs, `${f}/b`),
        await tried(() => fs.copyFile(`${f}/a`, `${f}/c`, fs.constants.COPYFILE_FICLONE)),
        (await fs.stat(`${f}/c`)).mode & MODE,
        await tried(() => fs.copyFile(`${f}/a`, `${f}/b`, fs.constants.COPYFILE_EXCL)),
        await tried(() => fs.copyFile(`${f}/none`, `${f}/x`)),
        await tried(() => fs.copyFile(`${f}/a`, f)),
        await tried(() => fs.copyFile(`${f}/a`, `${f}/none/x`)),
        await tried(() => fs.copyFile(`${f}/a`, `${f}/a`)),
        await text(fs, `${f}/a`),
      ]
    },
  ],
  ['copyFile of a folder', (fs, f) => fs.copyFile(f, `${f}/x`).catch(error => (error as { code: string }).code)],

  // Attributes.
  [
    'access: there, not there, executable',
    async (fs, f) => {
      await fs.writeFile(`${f}/x`, '', { mode: 0o644 })
      return [
        await tried(() => fs.access(`${f}/x`)),
        await tried(() => fs.access(`${f}/x`, fs.constants.R_OK | fs.constants.W_OK)),
        await tried(() => fs.access(`${f}/x`, fs.constants.X_OK)),
        await tried(() => fs.access(`${f}/none`)),
      ]
    },
  ],
  [
    'chmod: number, octal text, through a symlink, of nothing',
    async (fs, f) => {
      await fs.writeFile(`${f}/x`, '')
      await fs.symlink('x', `${f}/l`)
      const modes: number[] = []
      for (const mode of [0o400, '755', 0o4711, 0o1777]) {
        await fs.chmod(`${f}/l`, mode)
        modes.push((await fs.stat(`${f}/x`)).mode & MODE)
      }
      return [modes, await tried(() => fs.chmod(`${f}/none`, 0o600))]
    },
  ],
  [
    'chown and lchown that leave all as it is, and of nothing',
    async (fs, f) => {
      await fs.writeFile(`${f}/x`, '')
      return [
        await tried(() => fs.chown(`${f}/x`, -1, -1)),
        await tried(() => fs.lchown(`${f}/x`, -1, -1)),
        await tried(() => fs.chown(`${f}/none`, 0, 0)),
        await tried(() => fs.lchown(`${f}/none`, 0, 0)),
      ]
    },
  ],
  [
    'utimes: numbers, text, dates, through symlinks and of them',
    async (fs, f) => {
      await fs.writeFile(`${f}/x`, '')
      await fs.symlink('x', `${f}/l`)
      const times = async (path: string) => {
        const { atimeMs, mtimeMs, atime, mtime } = await fs.lstat(path)
        return [atimeMs, mtimeMs, atime.toISOString(), mtime.toISOString()]
      }
      await fs.utimes(`${f}/x`, 1, 2.5)
      const first = await times(`${f}/x`)
      await fs.utimes(`${f}/l`, '1500000000', new Date('2001-02-03T04:05:06.789Z'))
      const second = await times(`${f}/x`)
      await fs.lutimes(`${f}/l`, 5, 6)
      return [
        first,
        second,
        await times(`${f}/l`),
        await tried(() => fs.utimes(`${f}/none`, 1, 1)),
        await tried(() => fs.lutimes(`${f}/none`, 1, 1)),
      ]
    },
  ],
  [
    'truncate: shorter, longer, to nothing, less than nothing, of a folder, of nothing',
    async (fs, f) => {
      const sizes: string[] = []
      for (const length of [3, 8, -5, undefined]) {
        await fs.writeFile(`${f}/x`, '12345')
        await fs.truncate(`${f}/x`, length)
        sizes.push(await text(fs, `${f}/x`))
      }
      return [sizes, await tried(() => fs.truncate(f)), await tried(() => fs.truncate(`${f}/none`))]
    },
  ],
  [
    'stat: what a copy of it has',
    async (fs, f) => {
      await fs.writeFile(`${f}/x`, 'hello', { mode: 0o600 })
      await fs.utimes(`${f}/x`, 1, 2)
      const stats = await fs.stat(`${f}/x`)
      const { size, mode, nlink, atimeMs, mtimeMs } = { ...stats }
      return [Object.keys(stats).sort(), size, mode, nlink, atimeMs, mtimeMs, stats.mtime.getTime()]
    },
    'The times of `Stats` are properties of its own, in every version of Node.',
  ],
  [
    'stat in bigints',
    async (fs, f) => {
      await fs.writeFile(`${f}/x`, 'hello')
      await fs.utimes(`${f}/x`, 1, 2)
      const { size, mode, mtimeMs, mtimeNs, atimeNs } = await fs.stat(`${f}/x`, { bigint: true })
      return [size, mode, mtimeMs, mtimeNs, atimeNs].map(String)
    },
  ],
  [
    'stat of nothing and below a file',
    async (fs, f) => {
      await fs.writeFile(`${f}/x`, '')
      return [await tried(() => fs.stat(`${f}/none`)), await tried(() => fs.lstat(`${f}/x/y`))]
    },
  ],
  [
    'statfs',
    async (fs, f) => {
      const [one, big] = [await fs.statfs(f), await fs.statfs(f, { bigint: true })]
      return [
        Object.keys(one).sort(),
        one.bsize > 0,
        one.blocks >= one.bfree,
        typeof big.type,
        await tried(() => fs.statfs(`${f}/none`)),
      ]
    },
  ],

  // Open files.
  [
    'open with each flag',
    async (fs, f) => {
      const outcomes: unknown[] = []
      for (const flags of [
        'r',
        'r+',
        'rs',
        'rs+',
        'w',
        'wx',
        'w+',
        'wx+',
        'a',
        'ax',
        'a+',
        'ax+',
        'as',
        'as+',
        undefined,
        null,
      ]) {
        await fs.writeFile(`${f}/x`, 'before')
        const use = async () => {
          await using handle = await fs.open(`${f}/x`, flags as string)
          const written = await tried(() => handle.write('new'))
          return [
            written,
            await tried(() => handle.read(Buffer.alloc(20), 0, 20, 0).then(({ bytesRead }) => bytesRead)),
          ]
        }
        outcomes.push(flags, await tried(use), await text(fs, `${f}/x`))
      }
      return JSON.parse(JSON.stringify(outcomes))
    },
  ],
  [
    'open with numeric flags',
    async (fs, f) => {
      const { O_RDWR, O_CREAT, O_EXCL, O_APPEND, O_RDONLY, O_DIRECTORY, O_NOFOLLOW } = fs.constants
      await fs.symlink('x', `${f}/l`)
      const open = (flags: number, name = 'x', mode?: number) =>
        tried(async () => (await fs.open(`${f}/${name}`, flags, mode)).close())
      return [
        await open(O_RDWR | O_CREAT, 'x', 0o640),
        (await fs.stat(`${f}/x`)).mode & MODE,
        await open(O_RDWR | O_CREAT | O_EXCL),
        await open(O_RDONLY | O_DIRECTORY),
        await open(O_RDONLY | O_NOFOLLOW, 'l'),
        await tried(async () => {
          await using handle = await fs.open(`${f}/x`, O_RDONLY | O_APPEND)
          return await handle.write('x')
        }),
      ]
    },
  ],
  [
    'open: failures',
    async (fs, f) => [
      await tried(() => fs.open(`${f}/none`)),
      await tried(() => fs.open(`${f}/none/x`, 'w')),
      await tried(() => fs.open(f, 'w')),
      await tried(() => fs.open(f, 'wx')),
    ],
  ],
  [
    'handle.read: forms and positions',
    async (fs, f) => {
      await fs.writeFile(`${f}/x`, 'abcdefghij')
      await using handle = await fs.open(`${f}/x`)
      const shown = ({ bytesRead, buffer }: { bytesRead: number; buffer: NodeJS.ArrayBufferView }) => [
        bytesRead,
        Buffer.from(buffer.buffer, buffer.byteOffset, Math.min(buffer.byteLength, 12)).toString('latin1'),
      ]
      return [
        shown(await handle.read(Buffer.alloc(3))),
        shown(await handle.read(Buffer.alloc(3), 1)),
        shown(await handle.read(Buffer.alloc(4), 0, 2, 8)),
        shown(await handle.read(Buffer.alloc(4), { offset: 1, length: 2, position: 4 } as never)),
        shown(await handle.read({ buffer: Buffer.alloc(4), position: 7 })),
        shown(await handle.read(new Uint8Array(2), null, null as never, null)),
        shown(await handle.read(Buffer.alloc(2), 0, 2, -1)),
        shown(await handle.read(Buffer.alloc(2), 0, 0)),
        shown(await handle.read(Buffer.alloc(5), 0, 5, 100)),
        (await handle.read()).buffer.byteLength,
      ]
    },
  ],
  [
    'handle.readv and writev',
    async (fs, f) => {
      await using handle = await fs.open(`${f}/x`, 'w+')
      const { bytesWritten } = await handle.writev([Buffer.from('abc'), new Uint8Array([0x64, 0x65])])
      await handle.writev([Buffer.from('XY')], 1)
      const buffers = [Buffer.alloc(2), Buffer.alloc(2), Buffer.alloc(4)]
      const { bytesRead } = await handle.readv(buffers, 0)
      return [bytesWritten, bytesRead, buffers.map(String), await text(fs, `${f}/x`)]
    },
  ],
  [
    'handle.write: forms and positions',
    async (fs, f) => {
      await using handle = await fs.open(`${f}/x`, 'w+')
      const counts = [
        await handle.write('text'),
        await handle.write('74', null, 'hex'),
        await handle.write('Z', 1),
        await handle.write(Buffer.from('abcdef'), 2, 2),
        await handle.write(Buffer.from('abcdef'), { offset: 5 } as never),
        await handle.write(Buffer.from('abcdef'), { length: 1, position: 0 } as never),
        await handle.write(Buffer.alloc(0)),
        await handle.write(Buffer.from('!'), 0, 1, 12),
      ].map(({ bytesWritten }) => bytesWritten)
      return [counts, await fs.readFile(`${f}/x`)]
    },
  ],
  [
    'handle.write where the file is opened to append',
    async (fs, f) => {
      await fs.writeFile(`${f}/x`, 'abc')
      await using handle = await fs.open(`${f}/x`, 'a')
      await handle.write('1', 0)
      await handle.writeFile('2')
      await handle.appendFile('3')
      return text(fs, `${f}/x`)
    },
  ],
  [
    'handle.readFile and writeFile go on from where it is',
    async (fs, f) => {
      await fs.writeFile(`${f}/x`, 'first rest')
      await using handle = await fs.open(`${f}/x`, 'r+')
      await handle.read(Buffer.alloc(6))
      const rest = await handle.readFile('utf8')
      await handle.writeFile(' more')
      await fs.appendFile(handle, '!')
      return [rest, await text(fs, `${f}/x`), (await fs.readFile(handle)).length]
    },
  ],
  [
    'handle: attributes',
    async (fs, f) => {
      await using handle = await fs.open(`${f}/x`, 'w+', '600')
      await handle.write('0123456789')
      await handle.truncate(4)
      await handle.chmod('640')
      await handle.chown(-1, -1)
      await handle.utimes(1, new Date(2000))
      await handle.sync()
      await handle.datasync()
      const { size, mode, atimeMs, mtimeMs } = await handle.stat()
      const exact = await handle.stat({ bigint: true })
      await handle.truncate()
      return [size, mode, atimeMs, mtimeMs, String(exact.mtimeNs), (await handle.stat()).size]
    },
  ],
  [
    'handle: what its flags forbid',
    async (fs, f) => {
      await fs.writeFile(`${f}/x`, 'x')
      await using reading = await fs.open(`${f}/x`, 'r')
      await using writing = await fs.open(`${f}/x`, 'a')
      await using folder = await fs.open(f)
      return [
        await tried(() => reading.write('x')),
        await tried(() => reading.truncate(0)),
        await tried(() => writing.read(Buffer.alloc(1))),
        await tried(() => folder.read(Buffer.alloc(1))),
        await tried(() => folder.readFile()),
      ]
    },
  ],
  [
    'handle: closed',
    async (fs, f) => {
      await fs.writeFile(`${f}/x`, 'x')
      const handle = await fs.open(`${f}/x`, 'r+')
      let closed = 0
      ;(handle as unknown as EventEmitter).on('close', () => closed++)
      await handle.close()
      await handle.close()
      const calls: Record<string, () => unknown> = {
        read: () => handle.read(Buffer.alloc(1)),
        readv: () => handle.readv([Buffer.alloc(1)]),
        write: () => handle.write('x'),
        writev: () => handle.writev([Buffer.from('x')]),
        readFile: () => handle.readFile(),
        writeFile: () => handle.writeFile('x'),
        appendFile: () => handle.appendFile('x'),
        stat: () => handle.stat(),
        truncate: () => handle.truncate(),
        chmod: () => handle.chmod(0o600),
        chown: () => handle.chown(0, 0),
        utimes: () => handle.utimes(1, 1),
        sync: () => handle.sync(),
        datasync: () => handle.datasync(),
      }
      const outcomes: unknown[] = [closed, handle.fd]
      for (const [name, call] of Object.entries(calls)) outcomes.push(name, await tried(call))
      return outcomes
    },
  ],
  [
    'handle.readLines',
    async (fs, f) => {
      await fs.writeFile(`${f}/x`, 'one\r\ntwo\n\nfour')
      const handle = await fs.open(`${f}/x`)
      const lines: string[] = []
      for await (const line of handle.readLines({ encoding: 'utf8' })) lines.push(line)
      return lines
    },
  ],
  [
    'handle.readableWebStream',
    async (fs, f) => {
      await fs.writeFile(`${f}/x`, 'web '.repeat(10_000))
      await using handle = await fs.open(`${f}/x`)
      const chunks: Uint8Array[] = []
      for await (const chunk of handle.readableWebStream({ type: 'bytes' }) as AsyncIterable<Uint8Array>)
        chunks.push(chunk)
      return [Buffer.concat(chunks).length, await tried(() => handle.stat().then(({ size }) => size))]
    },
  ],

  // Streams.
  [
    'createReadStream: start and end',
    async (fs, f) => {
      await fs.writeFile(`${f}/x`, 'abcdefghij')
      const read = (options: object) => chunksOf(fs.createReadStream(`${f}/x`, options)).then(chunks => chunks.join(''))
      return [
        await read({}),
        await read({ start: 4 }),
        await read({ end: 3 }),
        await read({ start: 4, end: 4 }),
        await read({ start: 8, end: 100 }),
        await read({ start: 100 }),
        await read({ end: Number.POSITIVE_INFINITY }),
        await read({ start: 0, end: 0, encoding: 'hex' }),
      ]
    },
  ],
  [
    'createReadStream: highWaterMark is the size of its chunks',
    async (fs, f) => {
      await fs.writeFile(`${f}/x`, 'abcdefghij')
      return chunksOf(fs.createReadStream(`${f}/x`, { highWaterMark: 3 }))
    },
  ],
  [
    'createReadStream: characters that chunks cut',
    async (fs, f) => {
      await fs.writeFile(`${f}/x`, 'xäöü€𝄞'.repeat(3))
      return (await chunksOf(fs.createReadStream(`${f}/x`, { highWaterMark: 1, encoding: 'utf8' }))).join('')
    },
  ],
  [
    'createReadStream: events and properties',
    async (fs, f) => {
      await fs.writeFile(`${f}/x`, 'content')
      const stream = fs.createReadStream(`${f}/x`)
      const before = [stream.path, stream.pending, stream.bytesRead]
      stream.resume()
      const events = await eventsOf(stream)
      return [before, events, stream.pending, stream.bytesRead, stream.destroyed]
    },
  ],
  [
    'createReadStream of nothing that nobody reads',
    async (fs, f) => {
      const stream = fs.createReadStream(`${f}/none`)
      const [error] = await once(stream, 'error').catch(error => [error])
      return told(error)
    },
  ],
  ['createReadStream of a folder', (fs, f) => chunksOf(fs.createReadStream(f))],
  [
    'createReadStream: emitClose false',
    async (fs, f) => {
      await fs.writeFile(`${f}/x`, 'content')
      const stream = fs.createReadStream(`${f}/x`, { emitClose: false })
      let closed = false
      stream.on('close', () => {
        closed = true
      })
      await chunksOf(stream)
      await new Promise(resolve => setImmediate(resolve))
      return closed
    },
  ],
  [
    'createReadStream: close(callback) before it is open, and twice',
    async (fs, f) => {
      await fs.writeFile(`${f}/x`, 'content')
      const stream = fs.createReadStream(`${f}/x`)
      stream.on('error', () => {})
      await new Promise<void>(resolve => stream.close(() => resolve()))
      await new Promise<void>(resolve => stream.close(() => resolve()))
      return [stream.destroyed, stream.closed]
    },
  ],
  [
    'createReadStream: autoClose false leaves it undestroyed',
    async (fs, f) => {
      await fs.writeFile(`${f}/x`, 'content')
      const stream = fs.createReadStream(`${f}/x`, { autoClose: false })
      stream.resume()
      await once(stream, 'end')
      const destroyed = stream.destroyed
      stream.destroy()
      await once(stream, 'close')
      return [destroyed, stream.destroyed]
    },
  ],
  [
    'createWriteStream: flags, start, mode',
    async (fs, f) => {
      const write = async (options: object) => {
        await pipeline(Readable.from(['new']), fs.createWriteStream(`${f}/x`, options))
        return text(fs, `${f}/x`)
      }
      const first = await write({ mode: 0o640 })
      const mode = (await fs.stat(`${f}/x`)).mode & MODE
      return [
        first,
        mode,
        await write({ flags: 'a' }),
        await write({ flags: 'r+', start: 1 }),
        await write({ start: 2 }),
        await write('utf8' as never),
      ]
    },
  ],
  [
    'createWriteStream: events and properties',
    async (fs, f) => {
      const stream = fs.createWriteStream(`${f}/x`)
      const before = [stream.path, stream.pending, stream.bytesWritten]
      stream.write('one')
      stream.end('two')
      const events = await eventsOf(stream)
      return [before, events, stream.pending, stream.bytesWritten, await text(fs, `${f}/x`)]
    },
  ],
  [
    'createWriteStream to nowhere that nobody writes to',
    async (fs, f) => {
      const stream = fs.createWriteStream(`${f}/none/x`)
      const [error] = await once(stream, 'error').catch(error => [error])
      return told(error)
    },
  ],
  [
    'createWriteStream: an encoding, cork, and close(callback)',
    async (fs, f) => {
      const stream = fs.createWriteStream(`${f}/x`, { encoding: 'hex' })
      stream.cork()
      stream.write('6162')
      stream.write('cd', 'utf8')
      stream.uncork()
      await new Promise<void>(resolve => stream.close(() => resolve()))
      return [stream.closed, await text(fs, `${f}/x`)]
    },
  ],
  [
    'createWriteStream: autoClose false',
    async (fs, f) => {
      const stream = fs.createWriteStream(`${f}/x`, { autoClose: false })
      stream.end('x')
      await once(stream, 'finish')
      const destroyed = stream.destroyed
      stream.destroy()
      await once(stream, 'close')
      return [destroyed, await text(fs, `${f}/x`)]
    },
  ],
  [
    'createWriteStream: exclusive where there is one',
    async (fs, f) => {
      await fs.writeFile(`${f}/x`, 'x')
      return finished(fs.createWriteStream(`${f}/x`, { flags: 'wx' }).end('y'))
    },
  ],
  [
    'handle.createReadStream goes on from where it is, and closes the handle',
    async (fs, f) => {
      await fs.writeFile(`${f}/x`, 'abcdefghij')
      const handle = await fs.open(`${f}/x`)
      await handle.read(Buffer.alloc(2))
      const stream = handle.createReadStream({ end: 3 })
      const chunks = await chunksOf(stream)
      await finished(stream).catch(() => {})
      return [chunks.join(''), handle.fd, stream.closed]
    },
  ],
  [
    'handle.createReadStream: positions, and autoClose false',
    async (fs, f) => {
      await fs.writeFile(`${f}/x`, 'abcdefghij')
      const handle = await fs.open(`${f}/x`)
      const read = async (options: object) =>
        (await chunksOf(handle.createReadStream({ autoClose: false, ...options }))).join('')
      const parts = [await read({ start: 3, end: 5 }), await read({ start: 8 })]
      const open = handle.fd > 0
      await handle.close()
      return [parts, open]
    },
  ],
  [
    'handle.createWriteStream writes on, and closes the handle',
    async (fs, f) => {
      const handle = await fs.open(`${f}/x`, 'w')
      await handle.write('one ')
      const stream = handle.createWriteStream()
      await pipeline(Readable.from(['two']), stream)
      if (!stream.closed) await once(stream, 'close')
      return [await text(fs, `${f}/x`), handle.fd]
    },
  ],
]

export const cases: Case[] = CASES.map(([name, run, differs]) => ({ name, run, ...(differs && { differs }) }))
