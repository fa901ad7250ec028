// Which part of which buffer an open file reads into or writes, as Node takes it in many forms. Called by `file-handle.ts`.
import { toBuffer } from '../bytes.js'
import { checkArgument, checkOptions, object, type Shape } from '../check.js'

/** A part of a buffer, and where in the file. */
export interface FilePartOptions {
  /** Where in the buffer. Default: 0. */
  offset?: number | null | undefined
  /** Default: what fits. */
  length?: number | null | undefined
  /** Where in the file; `null` is its current position, which moves. Default: `null`. */
  position?: number | bigint | null | undefined
}

/** What to read and where to put it. */
export interface FileReadOptions<T extends NodeJS.ArrayBufferView = Buffer> extends FilePartOptions {
  /** Default: a new Buffer of 16 KiB. */
  buffer?: T | undefined
}

const anything = { expected: 'any value', holds: () => true }
const PART: Shape<FilePartOptions> = { offset: anything, length: anything, position: anything }
export const READ: Shape<FileReadOptions> = { ...PART, buffer: anything }

/** The part, which is given as three arguments or as one object. */
export function partOptions(operation: string, second: unknown, third: unknown, fourth: unknown): FilePartOptions {
  if (typeof second !== 'object' || second === null) {
    return { offset: second, length: third, position: fourth } as FilePartOptions
  }
  checkArgument(operation, 'options', second, object)
  checkOptions<FilePartOptions>(operation, second, PART)
  return second
}

/** The memory behind a view, to be filled. */
export function writable(operation: string, name: string, view: unknown): Buffer {
  // `toBuffer` copies shared memory, and the caller would never see what is read into the copy.
  if (ArrayBuffer.isView(view) && view.buffer instanceof SharedArrayBuffer) {
    return Buffer.from(view.buffer, view.byteOffset, view.byteLength)
  }
  return toBuffer(operation, name, view)
}

export function memoriesOf(operation: string, buffers: unknown): Buffer[] {
  const views = {
    expected: 'an array of Buffers, TypedArrays or DataViews',
    holds: (value: unknown) => Array.isArray(value) && Array.from(value).every(ArrayBuffer.isView),
  }
  checkArgument(operation, 'buffers', buffers, views)
  return (buffers as NodeJS.ArrayBufferView[]).map(view => writable(operation, 'buffers', view))
}
