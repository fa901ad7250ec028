// A fake of the native half at its edge: the files of a box where every call succeeds, and is recorded.
import type { NativeFileReader, NativeFiles, NativeFileWriter, NativeOpenFile } from '../../lib/binding.js'

const stat = {
  ...{ dev: 1, ino: 2, mode: 0o100644, nlink: 1, uid: 0, gid: 0, rdev: 0, size: 3, blksize: 4096, blocks: 8 },
  ...{ atimeMs: 1.5, mtimeMs: 2000, ctimeMs: 3000, birthtimeMs: 4000 },
}
const bigint = {
  ...{ dev: 1n, ino: 2n ** 60n, rdev: 0n, size: 3n, blocks: 8n },
  ...{ atimeNs: 1_500_001n, mtimeNs: 2n * 10n ** 9n, ctimeNs: 3n * 10n ** 9n, birthtimeNs: 4n * 10n ** 9n },
}
const statFs = { type: 0xef53n, bsize: 4096n, blocks: 10n, bfree: 5n, bavail: 4n, files: 100n, ffree: 50n }

const ok = async <T>(value: T) => ({ ok: value })

/** Calls and what came with them, of a box's files and of an open one. */
class Recorder {
  /** The names of the calls. */
  calls: string[] = []
  /** The arguments of each call. */
  args: unknown[][] = []
  written: Buffer[] = []
  aborted = 0
  closed = 0
  /** What the opening of a stream waits for; a test may hold it back. */
  opening: Promise<void> = Promise.resolve()
  /** The chunks of a file that is read. */
  chunks: Buffer[] = []
  /** What `pull` waits for. */
  pulling: Promise<void> = Promise.resolve()

  /** A verb that answers `value`. */
  verb<T>(name: string, value: T | (() => T | Promise<T>)) {
    return async (...args: unknown[]) => {
      this.calls.push(name)
      this.args.push(args)
      return { ok: value instanceof Function ? await value() : value }
    }
  }

  reader = async (): Promise<NativeFileReader> => {
    await this.opening
    const chunks = [...this.chunks]
    const close = () => {
      this.closed++
    }
    const pull = async () => {
      await this.pulling
      return { ok: chunks.shift() ?? null }
    }
    return { pull, close }
  }

  writer = async (): Promise<NativeFileWriter> => {
    await this.opening
    const push = (data: Uint8Array) => {
      this.written.push(Buffer.from(data))
      return ok(undefined)
    }
    const abort = () => {
      this.aborted++
    }
    return { push, opened: () => ok(undefined), finish: () => ok(0), abort }
  }

  /** A verb that writes the data at `index` of its arguments. */
  whole(name: string, index: number) {
    const record = this.verb(name, undefined)
    return async (...args: unknown[]) => {
      await this.opening
      this.written.push(Buffer.from(args[index] as Uint8Array))
      return record(...args)
    }
  }
}

export class FakeFiles extends Recorder implements NativeFiles {
  /** What `open` answers. */
  file: NativeOpenFile = {
    fd: 3,
    stat: async exact => this.verb('stat', exact ? { ...stat, exact: bigint } : stat)(exact),
    truncate: this.verb('truncate', undefined),
    chmod: this.verb('chmod', undefined),
    chown: this.verb('chown', undefined),
    utimes: this.verb('utimes', undefined),
    sync: this.verb('sync', undefined),
    close: this.verb('close', undefined),
    readAt: this.verb('readAt', Buffer.alloc(0)),
    writeAt: this.verb('writeAt', undefined),
    readFile: this.verb('readFile', () => Buffer.concat(this.chunks)),
    writeFile: this.whole('writeFile', 0),
    read: this.verb('read', this.reader),
    write: this.verb('write', this.writer),
  }
  statfs = this.verb('statfs', statFs)
  access = this.verb('access', undefined)
  exists = this.verb('exists', true)
  mkdir = this.verb('mkdir', null)
  mkdtemp = this.verb('mkdtemp', '/path')
  rmdir = this.verb('rmdir', undefined)
  unlink = this.verb('unlink', undefined)
  rm = this.verb('rm', undefined)
  rename = this.verb('rename', undefined)
  copyFile = this.verb('copyFile', undefined)
  cp = this.verb('cp', undefined)
  cpShallow = this.verb('cpShallow', [])
  symlink = this.verb('symlink', undefined)
  readlink = this.verb('readlink', '/path')
  realpath = this.verb('realpath', '/path')
  link = this.verb('link', undefined)
  chmod = this.verb('chmod', undefined)
  chown = this.verb('chown', undefined)
  utimes = this.verb('utimes', undefined)
  truncate = this.verb('truncate', undefined)
  getxattr = this.verb('getxattr', Buffer.alloc(0))
  setxattr = this.verb('setxattr', undefined)
  listxattr = this.verb('listxattr', [])
  removexattr = this.verb('removexattr', undefined)
  open = this.verb('open', () => this.file)
  readFile = this.verb('readFile', () => Buffer.concat(this.chunks))
  writeFile = this.whole('writeFile', 1)
  read = this.verb('read', this.reader)
  write = this.verb('write', this.writer)
  readDirectory = this.verb('readDirectory', [])
  openDirectory = this.verb('openDirectory', { next: () => ok(null), close: () => {} })
  watch = this.verb('watch', { next: () => ok(null), close: () => {} })
  copyIn = never
  copyOut = never
  packOut = never
  unpackIn = never

  stat(path: string | Buffer, follow: boolean, exact: boolean) {
    return this.verb('stat', exact ? { ...stat, exact: bigint } : stat)(path, follow, exact)
  }
  as(user: string) {
    this.calls.push(`as ${user}`)
    return this
  }
}

function never(): never {
  throw new Error('not here')
}
