// `Dir`: a directory that is being listed, as Node's. Made by `fs.ts`'s `opendir`; each batch is fetched when the last was read.
import { type NativeDirectory, type NativeEntry, type NativePath, settled } from './binding.js'
import { guardMembers } from './bound.js'
import { FileError } from './errors.js'
import { type NameEncoding, pathText } from './file-path.js'
import { Dirent } from './stats.js'

/** Makes a directory listing. Not part of the public API. */
export let makeDir: (path: NativePath, native: NativeDirectory, encoding: NameEncoding | null | undefined) => Dir

let isDir: (value: unknown) => boolean

/** An open directory in a box; `box.fs.opendir` makes one. Reading it to its end by `for await` closes it. */
export class Dir implements AsyncDisposable {
  /** The path that it was opened by. */
  readonly path: string
  #folder: NativePath
  #native: NativeDirectory
  #encoding: NameEncoding | null | undefined
  #batch: NativeEntry[] = []
  #next = 0
  #closed = false
  /** The last read, after which the next begins: entries are handed out in order. */
  #reading: Promise<unknown> = Promise.resolve()

  static {
    makeDir = (path, native, encoding) => new this(path, native, encoding)
    isDir = value => typeof value === 'object' && value !== null && #native in value
  }

  private constructor(path: NativePath, native: NativeDirectory, encoding: NameEncoding | null | undefined) {
    this.path = pathText(path)
    this.#folder = path
    this.#native = native
    this.#encoding = encoding
  }

  /** The next entry; `null` at the end. */
  read(): Promise<Dirent | null> {
    if (this.#closed) return Promise.reject(closed())
    const entry = this.#reading.then(() => this.#entry())
    this.#reading = entry.catch(() => {})
    return entry
  }

  async #entry(): Promise<Dirent | null> {
    while (this.#next >= this.#batch.length) {
      const batch = await settled(this.#native.next())
      if (batch === null) return null
      this.#batch = batch
      this.#next = 0
    }
    const entry = this.#batch[this.#next++] as NativeEntry
    return new Dirent(this.#folder, entry, this.#encoding)
  }

  /** Lists no more. */
  async close(): Promise<void> {
    if (this.#closed) throw closed()
    this.#closed = true
    this.#native.close()
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Dirent, void, undefined> {
    try {
      for (let entry = await this.read(); entry !== null; entry = await this.read()) yield entry
    } finally {
      await this[Symbol.asyncDispose]()
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#closed) await this.close()
  }
}

guardMembers(Dir, 'dir', isDir)

function closed(): FileError {
  return new FileError('ERR_DIR_CLOSED', 'Directory handle was closed')
}
