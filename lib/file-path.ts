// Paths in the forms that Node takes, and names in the encodings that it gives. Called by every file call of `fs.ts`.
//
// A path of Linux is bytes. Those that are UTF-8 travel as strings, all others as Buffers.
import { isUtf8 } from 'node:buffer'
import { types } from 'node:util'
import type { NativePath } from './binding/files.js'
import { toBuffer } from './bytes.js'
import { type Check, checkArgument, checkOptions, refusedArgument, type Shape } from './check.js'

/** A path in a box: text, its bytes, or a `file:` URL. */
export type FilePath = string | Uint8Array | URL

/** How names are given: decoded by an encoding, or with `'buffer'` as their bytes. */
export type NameEncoding = BufferEncoding | 'buffer'

const PATH = 'a string, a Buffer or a file: URL, without NUL byte'

/** A path as the addon takes it. An empty one leads nowhere, as the kernel says. */
export function nativePath(operation: string, name: string, path: unknown): NativePath {
  if (typeof path === 'string') {
    if (path.includes('\0')) throw refusedArgument(operation, name, PATH, path)
    return path
  }
  if (types.isUint8Array(path)) return bytesPath(operation, name, path)
  const url = fromUrl(path)
  if (url === undefined || url.includes(0)) throw refusedArgument(operation, name, PATH, path)
  return isUtf8(url) ? url.toString() : url
}

function bytesPath(operation: string, name: string, path: unknown): Buffer {
  const bytes = toBuffer(operation, name, path)
  if (bytes.includes(0)) throw refusedArgument(operation, name, PATH, path)
  // The caller may use its memory again before the addon has read it.
  return Buffer.from(bytes)
}

/** The bytes that a `file:` URL names; `undefined` of anything else. `fileURLToPath` knows only those that are UTF-8. */
function fromUrl(value: unknown): Buffer | undefined {
  const href = hrefOf(value)
  if (href === undefined) return undefined
  const { hostname, pathname } = new URL(href)
  // A slash in a name would be another path.
  if (hostname !== '' || /%2f/i.test(pathname)) return undefined
  const bytes = pathname.replace(/%([0-9a-f]{2})/gi, (_, hex) => String.fromCharCode(Number.parseInt(hex, 16)))
  return Buffer.from(bytes, 'latin1')
}

/** A URL of any realm is known by what is used of it. */
function hrefOf(value: unknown): string | undefined {
  try {
    const { href, protocol } = value as Partial<URL>
    return typeof href === 'string' && protocol === 'file:' && URL.canParse(href) ? href : undefined
  } catch {
    return undefined
  }
}

/** A path as text, to be joined with names. */
export function pathText(path: NativePath): string {
  return path.toString()
}

/** The encoding of text that is written. */
export const encoding: Check = {
  expected: "an encoding, such as 'utf8', or null",
  holds: value => value === null || (typeof value === 'string' && Buffer.isEncoding(value)),
}

/** The encoding of names or contents that are read. */
export const encodingOrBuffer: Check = {
  expected: "an encoding, such as 'utf8', 'buffer', or null",
  holds: value => value === 'buffer' || encoding.holds(value),
}

/** Checked options that may be given as an encoding alone, or be null. */
export function checkEncoded<T extends { encoding?: unknown }>(
  operation: string,
  options: unknown,
  shape: Shape<T>,
): T {
  if (typeof options !== 'string') return checkOptions(operation, options ?? undefined, shape)
  checkArgument(operation, 'encoding', options, shape.encoding)
  return { encoding: options } as T
}

/** Whether the addon is to give names as their bytes. */
export function isRaw(encoding: NameEncoding | null | undefined): boolean {
  return encoding != null && encoding !== 'utf8' && encoding !== 'utf-8'
}

/** A name in the encoding of the caller. */
export function inEncoding(name: NativePath, encoding: NameEncoding | null | undefined): string | Buffer {
  if (typeof name === 'string' || encoding === 'buffer') return name
  return name.toString(encoding ?? 'utf8')
}
