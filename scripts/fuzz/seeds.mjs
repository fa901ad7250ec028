// Generates samples for the fuzz targets that read binary formats: tar files, DNS messages, qcow2 headers, the first blocks of an
// ext4 disk. Called by fuzz.mjs. Samples of text formats are committed in fuzz/corpus.
import {
  closeSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { capture } from '../command.mjs'
import { Failure } from '../failure.mjs'
import { writeLayout } from '../image/layout.mjs'
import { tar } from '../image/tar.mjs'
import { findProgram } from '../setup/debian.mjs'
import { dnsMessages } from './dns.mjs'

/** Writes the seeds of each target into a folder with its name below `folder`. @param {string} folder */
export async function writeSeeds(folder) {
  const work = mkdtempSync(join(folder, 'seeds-'))
  try {
    write(folder, 'layer', layers())
    write(folder, 'tar', layers())
    write(folder, 'dns', dnsMessages())
    write(folder, 'archive', archives(work))
    write(folder, 'qcow2', await qcow2(work))
    write(folder, 'descriptors', await descriptors(work))
  } finally {
    rmSync(work, { recursive: true })
  }
}

/** @param {string} folder @param {string} target @param {Buffer[]} seeds */
function write(folder, target, seeds) {
  mkdirSync(join(folder, target), { recursive: true })
  for (const [number, seed] of seeds.entries()) writeFileSync(join(folder, target, `made-${number}`), seed)
}

/** @returns {Buffer[]} */
function layers() {
  const plain = tar([
    { path: 'd', type: 'directory', mode: 0o1777 },
    { path: 'd/f', content: 'hello', mode: 0o4755, uid: 70_000, xattrs: { 'user.a': 'b', 'security.capability': 'x' } },
    { path: 'd/hard', type: 'hardlink', target: 'd/f' },
    { path: 'd/soft', type: 'symlink', target: '../d' },
    { path: 'd/soft/through', content: 'y' },
    { path: 'd/null', type: 'char', device: [1, 3] },
    { path: 'd/.wh.gone', content: '' },
    { path: 'd/.wh..wh..opq', content: '' },
  ])
  const long = tar([{ path: `d/${'x'.repeat(150)}`, content: '' }])
  // The map of a sparse file, once before its content and once in the records of its header.
  const map = Buffer.concat([Buffer.from('1\n4096\n3\n'), Buffer.alloc(503), Buffer.from('abc')])
  const sparse = (/** @type {Record<string, string>} */ records, /** @type {Buffer} */ content) =>
    tar([{ path: 's', content, records: { 'GNU.sparse.size': '5000', ...records } }])
  const maps = [
    sparse({ 'GNU.sparse.major': '1', 'GNU.sparse.minor': '0' }, map),
    sparse({ 'GNU.sparse.map': '4096,3' }, Buffer.from('abc')),
  ]
  return [plain, long, gzipSync(plain), ...maps]
}

/** @param {string} work @returns {Buffer[]} */
function archives(work) {
  writeLayout(work, [{ layers: [[{ path: 'f', content: 'x' }]] }])
  const names = readdirSync(work, { recursive: true }).map(String)
  const files = names.filter(name => statSync(join(work, name)).isFile())
  const layout = tar(files.map(path => ({ path, content: readFileSync(join(work, path)) })))
  const config = JSON.stringify({ architecture: 'amd64', os: 'linux', rootfs: { type: 'layers', diff_ids: [] } })
  const manifest = JSON.stringify([{ Config: 'c.json', RepoTags: ['a:1'], Layers: [] }])
  const docker = tar([
    { path: 'c.json', content: config },
    { path: 'manifest.json', content: manifest },
    { path: 'twice', type: 'symlink', target: 'c.json' },
    { path: 'thrice', type: 'hardlink', target: 'twice' },
  ])
  return [layout, docker, gzipSync(docker)]
}

/** @param {string} work */
async function qcow2(work) {
  const [plain, backed] = [join(work, 'a.qcow2'), join(work, 'b.qcow2')]
  const make = ['create', '-q', '-f', 'qcow2', '-o', 'cluster_size=512']
  await must('qemu-img', [...make, plain, '1M'])
  await must('qemu-img', [...make, '-u', '-F', 'raw', '-b', '/nowhere', backed, '1M'])
  return [readFileSync(plain), readFileSync(backed)]
}

/** @param {string} work */
async function descriptors(work) {
  const disk = join(work, 'disk')
  const features = 'none,has_journal,extent,flex_bg,sparse_super,metadata_csum,filetype'
  await must(findProgram('mke2fs') ?? 'mke2fs', ['-q', '-F', '-b', '4096', '-O', features, disk, '256M'])
  const start = Buffer.alloc(8192)
  const file = openSync(disk, 'r')
  readSync(file, start, 0, start.length, 0)
  closeSync(file)
  return [start]
}

/** @param {string} program @param {string[]} args */
async function must(program, args) {
  const { status, output } = await capture(program, args)
  if (status !== 0) throw new Failure(`${program} ${args.join(' ')}: ${output}`)
}
