// Bytes in every form that JavaScript has them, as a Buffer over the same memory. Called by whatever takes data of a caller:
// standard input, file data, copies. Calls nothing.
//
// A value is known by its internal slots (`node:util`'s `types`, the intrinsic getters), never by `instanceof` nor by its own
// properties: Jest, jsdom and `node:vm` have classes of their own, and a subclass may override any property.
import { types } from 'node:util'
import { refusedArgument } from './check.js'

/** Bytes: a Buffer, any other typed array, a DataView, or the memory below those. */
export type Bytes = NodeJS.ArrayBufferView | ArrayBuffer | SharedArrayBuffer

/** What a chunk of data may be, in messages. */
export const BYTES = 'a Buffer, TypedArray, DataView or ArrayBuffer'

/** Whether a value is whole data: text, or bytes. */
export function isData(value: unknown): value is string | Bytes {
  return typeof value === 'string' || isBytes(value)
}

/** Whether a value is bytes, of this realm or of another. */
export function isBytes(value: unknown): value is Bytes {
  return ArrayBuffer.isView(value) || types.isAnyArrayBuffer(value)
}

/**
 * Bytes as a Buffer over the same memory: of a Uint16Array the two bytes of each number, as in Node. Memory that is shared with
 * other threads is copied, since they may write to it while it is read.
 *
 * @throws {@link InvalidArgumentError} naming `operation` and `name` for what is no bytes, and for memory that is
 * gone: detached by a transfer to another thread, or shrunk to less than the view.
 */
export function toBuffer(operation: string, name: string, value: unknown): Buffer {
  if (!isBytes(value)) throw refusedArgument(operation, name, BYTES, value)
  const extent = extentOf(value)
  if (extent === undefined) throw refusedArgument(operation, name, `${BYTES} whose memory is still there`, value)
  const { buffer, byteOffset, byteLength } = extent
  const bytes = Buffer.from(buffer as ArrayBuffer, byteOffset, byteLength)
  return types.isSharedArrayBuffer(buffer) ? Buffer.from(bytes) : bytes
}

/** Does what {@link toBuffer} does, and encodes text. */
export function dataToBuffer(
  operation: string,
  name: string,
  value: unknown,
  encoding?: BufferEncoding | null,
): Buffer {
  if (typeof value === 'string') return Buffer.from(value, encoding ?? 'utf8')
  if (!isBytes(value)) throw refusedArgument(operation, name, `a string, ${BYTES}`, value)
  return toBuffer(operation, name, value)
}

/** A part of some memory. */
interface Extent {
  buffer: ArrayBufferLike
  byteOffset: number
  byteLength: number
}

/** Where the bytes lie, or `undefined` if their memory is gone. */
function extentOf(value: Bytes): Extent | undefined {
  try {
    if (types.isTypedArray(value)) {
      // Refuses what is detached or out of bounds, for which the getters below say 0.
      TYPED_ARRAY.keys.call(value)
      return { buffer: typed.buffer(value), byteOffset: typed.byteOffset(value), byteLength: typed.byteLength(value) }
    }
    if (types.isDataView(value)) {
      return { buffer: view.buffer(value), byteOffset: view.byteOffset(value), byteLength: view.byteLength(value) }
    }
    // A view can be made of any memory but a detached one.
    const whole = new Uint8Array(value as ArrayBuffer)
    return { buffer: value as ArrayBuffer, byteOffset: 0, byteLength: whole.byteLength }
  } catch {
    return undefined
  }
}

/** The prototype of all typed arrays, which has their getters. */
const TYPED_ARRAY = Object.getPrototypeOf(Uint8Array.prototype)
const typed = gettersOf(TYPED_ARRAY)
const view = gettersOf(DataView.prototype)

function gettersOf(prototype: object) {
  const getter = (name: string) => {
    const get = Object.getOwnPropertyDescriptor(prototype, name)?.get
    return (value: unknown) => get?.call(value)
  }
  return { buffer: getter('buffer'), byteOffset: getter('byteOffset'), byteLength: getter('byteLength') }
}
