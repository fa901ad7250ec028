// A tar writer that writes entries as they are given: whiteouts, hardlinks, devices, setuid bits, owners, xattrs. It is deterministic:
// the same entries give the same digest. Called by layout.mjs and by tests. Format: POSIX.1-2017 pax, "ustar Interchange Format" and
// "pax Extended Header".
const BLOCK = 512

/**
 * @typedef {object} Entry
 * @property {string} path without a leading slash
 * @property {'file' | 'directory' | 'symlink' | 'hardlink' | 'char' | 'block' | 'fifo'} [type] default: file
 * @property {Buffer | string} [content] of a file
 * @property {string} [target] of a symlink or hardlink
 * @property {number} [mode] default: 0o755 for a directory, else 0o644
 * @property {number} [uid]
 * @property {number} [gid]
 * @property {[number, number]} [device] major and minor
 * @property {Record<string, Buffer | string>} [xattrs]
 * @property {Record<string, string>} [records] further records of the pax header
 */

const FLAGS = { file: '0', hardlink: '1', symlink: '2', char: '3', block: '4', directory: '5', fifo: '6' }

/** 2024-01-01. Any fixed date would do. */
const MTIME = 1_704_067_200

/** Returns the tar archive of `entries`, in their order. @param {Entry[]} entries */
export function tar(entries) {
  const blocks = entries.flatMap(entry => {
    const content = Buffer.from(entry.content ?? '')
    return [
      ...extendedHeader(entry),
      header(entry, entry.path, FLAGS[entry.type ?? 'file'], content.length),
      padded(content),
    ]
  })
  return Buffer.concat([...blocks, Buffer.alloc(2 * BLOCK)])
}

/** Returns a pax header for what does not fit in the fields of ustar. @param {Entry} entry */
function extendedHeader(entry) {
  const records = Object.entries(entry.xattrs ?? {}).map(([name, value]) =>
    record(`SCHILY.xattr.${name}`, Buffer.from(value)),
  )
  for (const [name, value] of Object.entries(entry.records ?? {})) records.push(record(name, Buffer.from(value)))
  if (Buffer.byteLength(entry.path) > 100) records.push(record('path', Buffer.from(entry.path)))
  if (Buffer.byteLength(entry.target ?? '') > 100) records.push(record('linkpath', Buffer.from(entry.target ?? '')))
  if (records.length === 0) return []
  const body = Buffer.concat(records)
  return [header({ path: '' }, 'PaxHeader', 'x', body.length), padded(body)]
}

/** Returns `LENGTH KEY=VALUE\n`, where LENGTH includes itself. @param {string} key @param {Buffer} value */
function record(key, value) {
  const rest = Buffer.concat([Buffer.from(` ${key}=`), value, Buffer.from('\n')])
  let length = rest.length
  while (`${length}`.length + rest.length !== length) length = `${length}`.length + rest.length
  return Buffer.concat([Buffer.from(`${length}`), rest])
}

/** @param {Entry} entry @param {string} name @param {string} flag @param {number} size */
function header(entry, name, flag, size) {
  const block = Buffer.alloc(BLOCK)
  const mode = entry.mode ?? { directory: 0o755, symlink: 0o777 }[String(entry.type)] ?? 0o644
  const [major, minor] = entry.device ?? [0, 0]
  /** @param {number} value @param {number} at @param {number} width */
  const octal = (value, at, width) => block.write(value.toString(8).padStart(width - 1, '0'), at)
  block.write(name.slice(0, 100), 0)
  octal(mode, 100, 8)
  octal(entry.uid ?? 0, 108, 8)
  octal(entry.gid ?? 0, 116, 8)
  octal(size, 124, 12)
  octal(MTIME, 136, 12)
  block.fill(' ', 148, 156)
  block.write(flag, 156)
  block.write((entry.target ?? '').slice(0, 100), 157)
  block.write('ustar\u000000', 257, 'latin1')
  octal(major, 329, 8)
  octal(minor, 337, 8)
  const sum = block.reduce((total, byte) => total + byte, 0)
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1')
  return block
}

/** @param {Buffer} content */
function padded(content) {
  const rest = content.length % BLOCK
  return rest === 0 ? content : Buffer.concat([content, Buffer.alloc(BLOCK - rest)])
}
