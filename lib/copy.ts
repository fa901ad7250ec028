// `box.copyIn` and `box.copyOut`: files and trees between host and box, each in one stream. Called by `box.ts`.
import { resolve, sep } from 'node:path'
import { Readable, type Writable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { type NativeCopy, type NativeFiles, settled } from './binding.js'
import { cancellable } from './cancellable.js'
import { boolean, type Check, checkArgument, checkOptions, integer, text } from './check.js'
import { type Chunks, chunksOf, isStream } from './chunks.js'
import { aborted, FileError, InvalidArgumentError } from './errors.js'
import { abortSignal } from './options/values.js'

/** How often `onProgress` is called, in milliseconds. */
const TICK = 100

/** The progress of a copy. */
export interface CopyProgress {
  /** Files, folders and links; 0 where the caller brings the tar stream. */
  entries: number
  /** Bytes of file contents, holes included; of the archive where the caller brings the tar stream. */
  bytes: number
  /** Devices, sockets and FIFOs, which are left out. */
  skipped: number
}

/** How to copy between host and box. */
export interface CopyOptions {
  /** Called ten times a second at most, and once at the end. */
  onProgress?: (progress: CopyProgress) => void
  /** Cancels the copy with an `AbortError`; what was copied stays. */
  signal?: AbortSignal
  /**
   * Replace what has the same name and another type, a folder only if it is empty. Default: `false`, and the copy fails with `EEXIST` or
   * `EISDIR`.
   */
  replace?: boolean
  /** Keep the extended attributes `user.*` and `security.capability`. Not available for a tar stream into a box. Default: `false`. */
  xattrs?: boolean
}

/** How to copy into a box. */
export interface CopyInOptions extends CopyOptions {
  /**
   * The owner of everything that is copied, written like `user` of a command: `'app'`, `'1000'`, `'app:staff'`, `'1000:1000'`, looked up in the box. Default:
   * root, not the box's user; for a tar stream, the owners that it names.
   */
  owner?: string
}

/** How to copy out of a box. A copy that exceeds a bound rejects with `COPY_TOO_LARGE`. */
export interface CopyOutOptions extends CopyOptions {
  /**
   * Most bytes of file contents, holes included; of the archive where the copy goes to a Writable. A file that would exceed
   * it is not begun. Default: any number.
   */
  maxBytes?: number
  /** Most files, folders and links; not for a Writable. Default: any number. */
  maxEntries?: number
}

const OPTIONS = {
  onProgress: { expected: 'a function', holds: (value: unknown) => typeof value === 'function' },
  signal: abortSignal,
  replace: boolean,
  xattrs: boolean,
}

const most = integer(0, Number.MAX_SAFE_INTEGER)
const IN_OPTIONS = { ...OPTIONS, owner: text }
const OUT_OPTIONS = { ...OPTIONS, maxBytes: most, maxEntries: most }

const source: Check = {
  expected: 'a path, or a stream of bytes: a Readable, an async iterable or a Blob',
  holds: value => text.holds(value) || isStream(value),
}

const target: Check = {
  expected: 'a path or a Writable',
  holds: value => text.holds(value) || isWritable(value),
}

/** Checks for the methods that are used: a stream may come from another copy of Node's streams. A Buffer has a `write`, too. */
function isWritable(value: unknown): value is Writable {
  if (typeof value !== 'object' || value === null) return false
  const { write, end, on } = value as Partial<Writable>
  return [write, end, on].every(method => typeof method === 'function')
}

export async function copyIn(
  native: NativeFiles,
  from: string | Chunks,
  to: string,
  given?: CopyInOptions,
): Promise<CopyProgress> {
  checkArgument('box.copyIn', 'from', from, source)
  checkArgument('box.copyIn', 'to', to, text)
  const options = checkOptions<CopyInOptions>('box.copyIn', given, IN_OPTIONS)
  const { owner, replace, xattrs } = options
  if (options.signal?.aborted) throw aborted('copyIn', options.signal)
  if (typeof from === 'string') {
    return run('copyIn', native.copyIn(onHost(from), to, { owner, replace, xattrs }), options)
  }
  if (xattrs) throw new InvalidArgumentError('box.copyIn: option `xattrs`: not with a Readable')
  const writer = await settled(native.unpackIn(to, { owner, replace }))
  const meter = new Meter(options)
  try {
    for await (const data of chunksOf('box.copyIn', 'from', from)) {
      if (options.signal?.aborted) throw aborted('copyIn', options.signal)
      await settled(writer.push(data))
      meter.moved(data.length)
    }
  } catch (error) {
    await writer.abort()
    throw error
  }
  await settled(writer.finish())
  return meter.report()
}

export async function copyOut(
  native: NativeFiles,
  from: string,
  to: string | Writable,
  given?: CopyOutOptions,
): Promise<CopyProgress> {
  checkArgument('box.copyOut', 'from', from, text)
  checkArgument('box.copyOut', 'to', to, target)
  const options = checkOptions<CopyOutOptions>('box.copyOut', given, OUT_OPTIONS)
  const { maxBytes = Number.POSITIVE_INFINITY, maxEntries, replace, xattrs } = options
  if (options.signal?.aborted) throw aborted('copyOut', options.signal)
  if (typeof to === 'string') {
    const input = { maxBytes: options.maxBytes, maxEntries, replace, xattrs }
    return run('copyOut', native.copyOut(from, onHost(to), input), options)
  }
  if (maxEntries !== undefined) {
    throw new InvalidArgumentError(
      'box.copyOut: option `maxEntries`: not with a Writable, whose entries are not looked at',
    )
  }
  if (replace) throw new InvalidArgumentError('box.copyOut: option `replace`: not with a Writable')
  const reader = await settled(native.packOut(from, { xattrs }))
  const meter = new Meter(options)
  const chunks = async function* () {
    for (;;) {
      const data = await settled(reader.pull())
      if (data === null) return
      if (options.signal?.aborted) throw aborted('copyOut', options.signal)
      if (meter.progress.bytes + data.length > maxBytes) throw tooLarge(maxBytes)
      meter.moved(data.length)
      yield data
    }
  }
  try {
    await pipeline(Readable.from(chunks(), { objectMode: false }), to)
  } finally {
    await reader.close()
  }
  return meter.report()
}

/** The absolute path; a slash at its end, which marks a folder, stays. */
function onHost(path: string): string {
  const whole = resolve(path)
  return path.endsWith(sep) && !whole.endsWith(sep) ? whole + sep : whole
}

async function run(operation: string, copy: NativeCopy, { onProgress, signal }: CopyOptions): Promise<CopyProgress> {
  const timer = onProgress && setInterval(() => onProgress(copy.progress()), TICK)
  try {
    await cancellable(operation, signal, () => ({ wait: () => copy.run(), cancel: () => copy.abort() }))
  } finally {
    clearInterval(timer)
  }
  const progress = copy.progress()
  onProgress?.(progress)
  return progress
}

function tooLarge(maxBytes: number): FileError {
  return new FileError('COPY_TOO_LARGE', `copy out: the box sends more than ${maxBytes} bytes`, {
    hint: 'raise `maxBytes`, or copy less; what came before was written',
  })
}

/** Progress of a stream that goes through JavaScript. */
class Meter {
  readonly progress: CopyProgress = { entries: 0, bytes: 0, skipped: 0 }
  #last = 0
  #onProgress: CopyOptions['onProgress']

  constructor({ onProgress }: CopyOptions) {
    this.#onProgress = onProgress
  }

  moved(bytes: number): void {
    this.progress.bytes += bytes
    if (performance.now() - this.#last >= TICK) this.report()
  }

  report(): CopyProgress {
    this.#last = performance.now()
    this.#onProgress?.({ ...this.progress })
    return this.progress
  }
}
