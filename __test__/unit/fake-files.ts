// A fake of the native half at its edge: the files of a box where every call succeeds, and is counted.
import type { FileInput, NativeFiles } from '../../lib/binding.js'

const stat = {
  ...{ dev: 1, ino: 2, mode: 0o100644, nlink: 1, uid: 0, gid: 0, rdev: 0, size: 3, blksize: 4096, blocks: 8 },
  ...{ atimeMs: 1.5, mtimeMs: 2000, ctimeMs: 3000, birthtimeMs: 4000 },
}
const exact = {
  ...{ dev: 1n, ino: 2n ** 60n, rdev: 0n, size: 3n, blocks: 8n },
  ...{ atimeNs: 1_500_001n, mtimeNs: 2n * 10n ** 9n, ctimeNs: 3n * 10n ** 9n, birthtimeNs: 4n * 10n ** 9n },
}
const statFs = { type: 0xef53n, bsize: 4096n, blocks: 10n, bfree: 5n, bavail: 4n, files: 100n, ffree: 50n }

const ok = async <T>(value: T) => ({ ok: value })

export class FakeFiles implements NativeFiles {
  /** What was asked of the box, by name. */
  calls: string[] = []
  inputs: FileInput[] = []
  written: Buffer[] = []
  aborted = 0
  closed = 0
  /** What `read` waits for; a test may hold it back. */
  opening: Promise<void> = Promise.resolve()
  /** What the chunks of a file that is read are. */
  chunks: Buffer[] = []
  /** What `pull` waits for. */
  pulling: Promise<void> = Promise.resolve()

  call(input: FileInput) {
    this.#count(input.operation, input)
    const answer = { handle: 3, data: Buffer.alloc(0), count: 0, path: '/path', statFs }
    return ok({ ...answer, stat: input.exact ? { ...stat, exact } : stat })
  }
  as(user: string) {
    this.calls.push(`as ${user}`)
    return this
  }
  readDirectory() {
    this.calls.push('readDirectory')
    return ok([])
  }
  openDirectory() {
    this.calls.push('openDirectory')
    return ok({ next: () => ok(null), close: () => {} })
  }
  async read(input: FileInput) {
    this.#count('read', input)
    await this.opening
    const chunks = [...this.chunks]
    const close = () => {
      this.closed++
      return ok(undefined)
    }
    const pull = async () => {
      await this.pulling
      return { ok: chunks.shift() ?? null }
    }
    return { ok: { pull, close } }
  }
  async write(input: FileInput) {
    this.#count('write', input)
    await this.opening
    const push = (data: Uint8Array) => {
      this.written.push(Buffer.from(data))
      return ok(undefined)
    }
    const abort = () => {
      this.aborted++
    }
    return { ok: { push, opened: () => ok(undefined), finish: () => ok(0), abort } }
  }
  watch() {
    this.calls.push('watch')
    return ok({ next: () => ok(null), close: () => {} })
  }
  copyIn(): never {
    throw new Error('not here')
  }
  copyOut(): never {
    throw new Error('not here')
  }
  packOut(): never {
    throw new Error('not here')
  }
  unpackIn(): never {
    throw new Error('not here')
  }

  #count(call: string, input: FileInput): void {
    this.calls.push(call)
    this.inputs.push(input)
  }
}
