// A real Debian image with python3: pulled from a registry, booted and used, its root disk checked by e2fsck, and its files
// compared with what umoci makes of the same image.
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import type { Box, Runtime } from '../../index.mjs'
import { capture } from '../../scripts/command.mjs'
import { debianLayout } from '../../scripts/image/debian.mjs'
import { useHomes } from '../support/homes.js'
import { type Registry, startRegistry } from '../support/registry.js'

const homes = useHomes()
let registry: Registry
let runtime: Runtime
let box: Box
let home: string
let folder: string

beforeAll(async () => {
  folder = await debianLayout()
  registry = await startRegistry(homes.folder())
  await registry.push(folder, 'debian:12')
  home = homes.folder()
  runtime = await homes.open({ home, registries: [{ host: registry.host, http: true }] })
  await runtime.images.pull(`${registry.host}/debian:12`)
  box = await runtime.create({ image: `${registry.host}/debian:12` })
}, 900_000)
afterAll(async () => {
  await box?.remove({ force: true })
  await registry?.stop()
})

it('runs python', async () => {
  const program = 'import sys, os; print(sys.version_info[0], os.uname().sysname, sum(range(1000)))'
  expect((await box.exec('python3', ['-c', program], { check: true })).stdout).toBe('3 Linux 499500\n')
})

it('is the Debian that it says, and keeps what is written', async () => {
  const { stdout } = await box.exec('sh', [
    '-c',
    '. /etc/os-release; echo $ID $VERSION_ID; dpkg --audit; getent passwd www-data',
  ])
  expect(stdout).toMatch(/^debian 12\nwww-data:x:33:33:/)
  await box.exec('python3', ['-c', 'open("/srv/kept", "w").write("x" * 100000)'], { check: true })
  await box.stop()
  expect((await box.exec('wc', ['-c', '/srv/kept'])).stdout).toBe('100000 /srv/kept\n')
})

it('pings as a user', async () => {
  const program = `
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM, socket.IPPROTO_ICMP)
s.settimeout(30)
s.sendto(bytes([8, 0, 0, 0, 0, 0, 0, 1]) + b"echo", ("127.0.0.1", 0))
print(s.recv(64)[8:])`
  expect((await box.exec('python3', ['-c', program], { user: 'nobody', check: true })).stdout).toBe("b'echo'\n")
})

// Sockets that ask for times switch a branch in the kernel's receive path on and off, which it does by writing its own code
// while other CPUs run it (net/core/dev.c, `netstamp_needed_key`). See src/vmm/qemu/accelerator.rs.
const PATCHES = `
import os, socket, time
end = time.monotonic() + 6
if os.fork():
    os.sched_setaffinity(0, {0})
    while time.monotonic() < end:
        s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        s.setsockopt(socket.SOL_SOCKET, 29, 1)  # SO_TIMESTAMP
        time.sleep(0.0002)
        s.close()
        time.sleep(0.0002)
    os.wait()
else:
    os.sched_setaffinity(0, {1})
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.bind(("127.0.0.1", 0))
    address = s.getsockname()
    while time.monotonic() < end:
        s.sendto(b"x", address)
        s.recv(1)
`

it('a kernel that patches its code while other CPUs run it goes on', async () => {
  const several = await runtime.create({ image: `${registry.host}/debian:12`, cpus: 2 })
  expect(await several.exec('python3', ['-c', PATCHES])).toMatchObject({ exitCode: 0, stderr: '' })
  await several.remove({ force: true })
})

it('has the files that umoci unpacks, with their owners and modes', async () => {
  const bundle = join(homes.folder(), 'bundle')
  const root = process.getuid?.() === 0
  const unpacked = await capture('umoci', [
    'unpack',
    ...(root ? [] : ['--rootless']),
    '--image',
    `${folder}:latest`,
    bundle,
  ])
  expect(unpacked.status, unpacked.output).toBe(0)
  // Files only: times of links, and what a running box mounts, are no part of the image.
  const owners = root ? '%U %G ' : ''
  const list = `find usr etc -xdev -type f -printf "%p %s %m ${owners}%T@\\n" | sort | grep -vE "^etc/(hostname|hosts|resolv.conf) "`
  const there = await capture('sh', ['-c', list], { cwd: join(bundle, 'rootfs') })
  const here = await box.exec('sh', ['-c', list], { cwd: '/' })
  const lines = here.stdout.split('\n')
  expect(lines.length).toBeGreaterThan(2000)
  const known = new Set(there.stdout.split('\n'))
  expect(lines.filter(line => !known.has(line))).toEqual([])
  expect(known.size).toBe(lines.length)
})

it('has a disk in which e2fsck finds no error', async () => {
  const disks = join(home, 'images/disks')
  const [disk = ''] = readdirSync(disks)
  const checked = await capture('e2fsck', ['-fn', join(disks, disk)])
  expect(checked.status, checked.output).toBe(0)
})
