// An image with everything that layers can do, seen from inside the box and by two programs that know the formats best:
// e2fsck for the root disk, qemu-img for the overlay.
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import type { Box } from '../../index.mjs'
import { capture } from '../../scripts/command.mjs'
import { findProgram } from '../../scripts/setup/debian.mjs'
import { useHomes } from '../support/homes.js'
import { directory, type Entry, file } from '../support/images.js'
import { useRuntime } from '../support/runtime.js'

const homes = useHomes()
let home: string
let box: Box
const sh = async (script: string) => (await box.exec('sh', ['-c', script])).stdout

const lower: Entry[] = [
  directory('opt'),
  directory('opt/whole'),
  file('opt/whole/hidden', 'lower'),
  file('opt/gone', 'lower'),
  directory('opt/tree'),
  file('opt/tree/leaf', 'lower'),
  file('opt/replaced', 'lower'),
  { ...file('opt/original', 'one inode\n'), uid: 70_000, gid: 70_001, mode: 0o640 },
  { path: 'opt/same-layer', type: 'hardlink', target: 'opt/original' },
]

const upper: Entry[] = [
  file('opt/.wh.gone', ''),
  file('opt/.wh.tree', ''),
  file('opt/whole/.wh..wh..opq', ''),
  file('opt/whole/shown', 'upper'),
  file('opt/replaced', 'upper'),
  { path: 'opt/upper-layer', type: 'hardlink', target: 'opt/original' },
  // Busybox gives up the rights of a setuid file except for the few applets that need them, such as su.
  { path: 'opt/su', content: readFileSync(findProgram('busybox') ?? ''), mode: 0o4755 },
  file('etc/passwd', 'root::0:0:root:/root:/bin/sh\napp:x:1000:1000::/home/app:/bin/sh\n'),
  { path: 'opt/null', type: 'char', device: [1, 3], mode: 0o666 },
  { path: 'opt/loop', type: 'block', device: [7, 5], mode: 0o660 },
  { path: 'opt/pipe', type: 'fifo' },
  {
    ...file('opt/marked', 'x'),
    xattrs: {
      'user.colour': 'blue',
      'security.capability': Buffer.from('0100000200040000000000000000000000000000', 'hex'),
    },
  },
  file(`opt/${'long-name-'.repeat(20)}`, 'long'),
]

useRuntime(
  homes,
  async made => {
    home = made.home
    box = await made.runtime.create({ image: made.image })
    await box.start()
  },
  { layers: [lower, upper] },
)

it('applies whiteouts and opaque folders', async () => {
  expect(await sh('cd /opt; ls gone tree 2>/dev/null; ls whole; cat replaced')).toBe('shown\nupper')
  expect(await sh('find / -xdev -name ".wh.*"')).toBe('')
})

it('keeps hardlinks, also over layers', async () => {
  const inodes = (await sh('cd /opt; stat -c "%i %h %u:%g %a" original same-layer upper-layer')).trim().split('\n')
  expect(new Set(inodes).size).toBe(1)
  expect(inodes[0]).toMatch(/^\d+ 3 70000:70001 640$/)
  expect(await sh('echo more >> /opt/same-layer; cat /opt/upper-layer')).toBe('one inode\nmore\n')
})

it('keeps setuid bits, devices and pipes', async () => {
  expect(await sh('cd /opt; stat -c "%a %F" su null loop pipe')).toBe(
    '4755 regular file\n666 character special file\n660 block special file\n644 fifo\n',
  )
  expect(await sh('cd /opt; stat -c "%t:%T" null loop')).toBe('1:3\n7:5\n')
})

it('runs a setuid program as its owner', async () => {
  const result = await box.exec('/opt/su', ['-c', 'id -u'], { user: 'app' })
  expect(result).toMatchObject({ exitCode: 0, stdout: '0\n' })
})

it('keeps long names and extended attributes', async () => {
  expect(await sh('cat /opt/long-name-*')).toBe('long')
  const disk = baseDisk()
  const list = await capture(findProgram('debugfs') ?? 'debugfs', ['-R', 'ea_list /opt/marked', disk])
  expect(list.output).toMatch(/user\.colour \(4\) = "blue"/)
  expect(list.output).toMatch(/security\.capability \(20\)/)
})

it('has a disk in which e2fsck and qemu-img find no error', async () => {
  await sh('rm -rf /opt/whole; dd if=/dev/urandom of=/opt/random bs=1M count=8; sync')
  await box.stop()
  const fsck = await capture(findProgram('e2fsck') ?? 'e2fsck', ['-fn', baseDisk()])
  expect(fsck.status, fsck.output).toBe(0)
  const overlay = join(home, 'boxes', box.id, 'disk.qcow2')
  const check = await capture('qemu-img', ['check', overlay])
  expect(check.status, check.output).toBe(0)
  expect(check.output).toContain('No errors were found')
  const merged = join(homes.folder(), 'merged.raw')
  await capture('qemu-img', ['convert', '-O', 'raw', overlay, merged])
  const used = await capture(findProgram('e2fsck') ?? 'e2fsck', ['-fn', merged])
  expect(used.status, used.output).toBe(0)
})

/** The one root disk of this home. */
function baseDisk(): string {
  const folder = join(home, 'images/disks')
  const disks = readdirSync(folder, { recursive: true })
    .map(String)
    .filter(name => /\.(ext4|raw|img)$/.test(name))
  expect(disks).toHaveLength(1)
  return join(folder, disks[0] ?? '')
}
