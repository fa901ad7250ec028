// `StreamFile`: the file behind a Node stream. Used by `file-read-stream.ts` and `file-write-stream.ts`.
//
// The file is opened at once, as by Node: a file that does not exist is an error of the stream even if it is not read.
import { type Readable, Writable } from 'node:stream'
import { onAbort } from './abort.js'
import { aborted, InternalError } from './errors.js'
import { untilAborted } from './until-aborted.js'

/** The handle that a stream was made by. The stream closes it. */
export interface StreamHandle {
  readonly fd: number
  close(): Promise<void>
  on(event: 'close', listener: () => void): unknown
  off(event: 'close', listener: () => void): unknown
}

/** Opens the file of a stream, and closes it. */
export class StreamFile<File> {
  file: File | undefined
  /** Ends reading or writing in the addon. */
  ended: (file: File, error: Error | null) => unknown = () => {}
  /** Resolves when the file is open. */
  opening: (file: File) => Promise<void> = async () => {}
  /** Resolves when `opening` has, and the stream has emitted `open` or its error. */
  settled: Promise<void> = Promise.resolve()
  #isOpen = false
  #stream: Readable | Writable
  #open: () => Promise<File>
  #handle: StreamHandle | undefined
  #signal: AbortSignal | undefined
  #forget: (() => void) | undefined
  #over = false
  #closed = () => (this.#stream instanceof Writable ? this.#stream.end() : this.#stream.destroy())

  constructor(
    stream: Readable | Writable,
    open: () => Promise<File>,
    handle: StreamHandle | undefined,
    signal: AbortSignal | undefined,
  ) {
    this.#stream = stream
    this.#open = open
    this.#handle = handle
    this.#signal = signal
    handle?.on('close', this.#closed)
  }

  /** The open file: Node reads and writes nothing before. */
  get opened(): File {
    if (this.file === undefined) throw new InternalError('INTERNAL', 'stream file: it is not open yet')
    return this.file
  }

  /** Whether the file is not open yet, or no longer open. */
  get fileless(): boolean {
    return this.#over || !this.#isOpen
  }

  get fd(): number | null {
    return this.#over ? null : (this.#handle?.fd ?? null)
  }

  begin(done: (error?: Error | null) => void): void {
    const signal = this.#signal
    const opening = untilAborted('stream file', signal, async ending => {
      const file = await this.#open()
      // Aborted while it was opened.
      ending(() => this.file === undefined && this.ended(file, aborted('stream file', signal as AbortSignal)))
      return file
    })
    opening.then(file => {
      this.file = file
      this.#forget = onAbort(signal, () => this.#stream.destroy(aborted('stream file', signal as AbortSignal)))
      done()
      this.settled = this.opening(file).then(
        () => this.#opened(),
        error => void this.#stream.destroy(error),
      )
    }, done)
  }

  #opened(): void {
    if (this.#over) return
    this.#isOpen = true
    this.#stream.emit('open', this.fd)
    this.#stream.emit('ready')
  }

  end(error: Error | null, done: (error?: Error | null) => void): void {
    this.#forget?.()
    this.#handle?.off('close', this.#closed)
    this.#over = true
    const release = async () => {
      if (this.file !== undefined) await this.ended(this.file, error)
      await this.#handle?.close()
    }
    release().then(
      () => done(error),
      failure => done(error ?? failure),
    )
  }
}
