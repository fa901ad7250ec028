// What the container of an ordinary box is: the devices, kernel parameters and limits that its processes find, and the files
// that we write into it.
import { beforeAll, describe, expect, it } from 'vitest'
import type { Box, Runtime } from '../../index.mjs'
import { useHomes } from '../support/homes.js'
import { file, layout, link } from '../support/images.js'
import { useRuntime } from '../support/runtime.js'

const homes = useHomes()
let runtime: Runtime
let image: string

useRuntime(homes, made => {
  runtime = made.runtime
  image = made.image
})

const sh = async (box: Box, line: string, options = {}) => {
  const { stdout, stderr } = await box.exec('sh', ['-c', line], options)
  return stdout + stderr
}

describe('an ordinary box', () => {
  let box: Box
  beforeAll(async () => {
    box = await runtime.create({ image })
  })

  it.each([
    ['null', 'c 1 3'],
    ['zero', 'c 1 5'],
    ['full', 'c 1 7'],
    ['random', 'c 1 8'],
    ['urandom', 'c 1 9'],
  ])('opens %s, as every container of docker does', async (name, numbers) => {
    expect(await sh(box, `cd /tmp; mknod ${name} ${numbers} && exec 3<>${name} && echo open`)).toBe('open\n')
  })

  it.each([
    ['its console', 'c 5 1'],
    ['the serial port', 'c 4 64'],
    ['the kernel log', 'c 1 11'],
    ['memory', 'c 1 1'],
    ['tun', 'c 10 200'],
    ['fuse', 'c 10 229'],
    ['loop-control', 'c 10 237'],
    ['a loop device', 'b 7 0'],
    ['the disk', 'b 254 0'],
  ])('makes a node for %s and may not open it', async (name, numbers) => {
    const path = `/tmp/${name.replaceAll(' ', '-')}`
    const line = `mknod ${path} ${numbers} && echo made; exec 3<${path} && echo open`
    expect(await sh(box, line)).toMatch(/^made\n.*(Operation not permitted)/)
    expect(await sh(box, `exec 3>${path}`)).toMatch(/Operation not permitted/)
  })

  it('opens no device of the machine that has a number of its own at each start', async () => {
    const misc = await sh(box, 'cat /proc/misc')
    const found = [...misc.matchAll(/(\d+) (vsock|userfaultfd|hw_random|vport\S*)/g)]
    expect(found.map(([, , name]) => name)).toContain('userfaultfd')
    for (const [, minor, name] of found) {
      const line = `mknod /tmp/${name} c 10 ${minor} && exec 3<>/tmp/${name} && echo open`
      expect(await sh(box, line), name).toMatch(/Operation not permitted/)
    }
  })

  it('opens terminals', async () => {
    expect(await sh(box, 'exec 3<>/dev/ptmx && exec 4<>/dev/pts/ptmx && ls /dev/pts')).toBe('0\n1\nptmx\n')
  })

  it('binds any port as a user', async () => {
    const listen =
      'nc -l -p 80 >/dev/null & until grep -q ":0050 " /proc/net/tcp*; do kill -0 $! || exit; done; echo listening; kill $!'
    expect(await sh(box, listen, { user: '1000' })).toBe('listening\n')
  })

  it('has limits that development needs', async () => {
    const names = [
      'fs/inotify/max_user_watches',
      'fs/inotify/max_user_instances',
      'fs/file-max',
      'vm/max_map_count',
      'kernel/threads-max',
      'kernel/pid_max',
    ]
    const files = names.map(name => `/proc/sys/${name}`).join(' ')
    const values = await sh(box, `cat ${files} /sys/fs/cgroup/pids.max; ulimit -u; ulimit -n; ulimit -c; ulimit -l`)
    expect(values.trim().split('\n')).toEqual([
      '131072',
      '1024',
      '9223372036854775807',
      '262144',
      '6144',
      '32768',
      '4096',
      'unlimited',
      '1048576',
      '0',
      '8192',
    ])
    expect(await sh(box, 'df -k /dev/shm | tail -1')).toMatch(/^\S+ +2[0-9]{5} /)
  })
})

it('a box has as many processes as `pidsLimit` says, also where its kernel would give it fewer', async () => {
  const box = await runtime.create({ image, memoryMib: 128, pidsLimit: 30_000 })
  // By itself, a kernel with so little memory has less than 1000.
  const line = 'cat /proc/sys/kernel/threads-max /sys/fs/cgroup/pids.max; ulimit -u'
  expect(await sh(box, line, { user: '1000' })).toBe('32048\n30000\nunlimited\n')
  await box.remove({ force: true })
})

describe('the files that name a box', () => {
  const state =
    'cat /etc/hostname; stat -c "%a %u" /etc/hostname; grep ^127.0.1.1 /etc/hosts; tail -1 /etc/hosts | sed "s/^[0-9.]*[[:space:]]*/HOST /"; stat -c "%a %F" /etc/hosts'

  it('take the place of the image’s, and follow the name', async () => {
    const own = await layout(homes, [
      [link('etc/hosts', '/srv/hosts'), file('srv/hosts', 'theirs\n'), file('etc/hostname', 'x\n')],
    ])
    const box = await runtime.create({ image: own, name: 'first' })
    const of = (name: string, mode: string) =>
      `${name}\n${mode}\n127.0.1.1\t${name}\nHOST host.boxlite.internal\n644 regular file\n`
    expect(await sh(box, state)).toBe(of('first', '644 0'))
    expect(await sh(box, 'cat /srv/hosts; chmod 600 /etc/hostname; chown 7 /etc/hostname')).toBe('theirs\n')
    await box.restart()
    expect(await sh(box, state)).toBe(of('first', '600 7'))
    await box.update({ name: 'second' })
    await box.restart()
    expect(await sh(box, state)).toBe(of('second', '600 7'))
    await box.remove({ force: true })
  })

  it('are the box’s own once they were edited', async () => {
    const box = await runtime.create({ image, name: 'edited' })
    await sh(
      box,
      'echo "10.0.0.1 db" >> /etc/hosts; chmod 640 /etc/hosts; rm /etc/hostname; ln -s /srv/name /etc/hostname',
    )
    const before = await sh(box, 'cat /etc/hosts; stat -c %a /etc/hosts; readlink /etc/hostname; ls /srv/name')
    expect(before).toMatch(/10\.0\.0\.1 db\n640\n\/srv\/name\n.*No such file/)
    await box.restart()
    await box.update({ name: 'renamed' })
    await box.restart()
    expect(await sh(box, 'cat /etc/hosts; stat -c %a /etc/hosts; readlink /etc/hostname; ls /srv/name')).toBe(before)
    await box.remove({ force: true })
  })

  it('are written again where they are missing, and nowhere outside of the box', async () => {
    const box = await runtime.create({ image, name: 'missing' })
    await sh(box, 'rm /etc/hosts /etc/hostname')
    await box.restart()
    expect(await sh(box, state)).toBe(
      'missing\n644 0\n127.0.1.1\tmissing\nHOST host.boxlite.internal\n644 regular file\n',
    )
    await box.remove({ force: true })
  })
})

it('an entry of the image’s environment that is no variable takes none away', async () => {
  const Env = ['PATH=/bin:/usr/bin:/own', 'P', '=x', 'A=1', 'A', 'LAST=0', 'LAST=1']
  const own = await layout(homes, [], { config: { Env } })
  const box = await runtime.create({ image: own, env: { B: '2' } })
  const { stdout } = await box.exec('env')
  expect(
    stdout
      .split('\n')
      .filter(line => /^(PATH|P|A|B|LAST|)=/.test(line))
      .sort(),
  ).toEqual(['A=1', 'B=2', 'LAST=1', 'PATH=/bin:/usr/bin:/own'])
  await box.remove({ force: true })
})
