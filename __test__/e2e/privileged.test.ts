// What a box may be allowed over an ordinary one, on a real Debian: capabilities, kernel parameters, devices; and a privileged
// one, in which bubblewrap and podman make containers and systemd is the main process.
import { beforeAll, describe, expect, it } from 'vitest'
import type { Box, BoxOptions, Runtime } from '../../index.mjs'
import { containersLayout } from '../../scripts/image/debian.mjs'
import { failure } from '../support/failures.js'
import { useHomes } from '../support/homes.js'
import { layout } from '../support/images.js'
import { written } from '../support/observed.js'

const homes = useHomes()
let runtime: Runtime
let small: string
let debian: string

beforeAll(async () => {
  debian = await containersLayout()
  runtime = await homes.open()
  small = await layout(homes)
}, 900_000)

const sh = async (box: Box, line: string, options = {}) => {
  const { stdout, stderr } = await box.exec('sh', ['-c', line], { timeoutMs: 240_000, ...options })
  return stdout + stderr
}

/** A box of busybox, removed after `use`. */
async function inBox(options: Partial<BoxOptions>, use: (box: Box) => Promise<void>): Promise<void> {
  const box = await runtime.create({ image: small, ...options })
  await use(box)
  await box.remove({ force: true })
}

const EFFECTIVE = 'grep CapEff /proc/self/status | cut -f2'

describe('capabilities', () => {
  it('are docker’s, and none for a user', () =>
    inBox({}, async box => {
      expect(await sh(box, EFFECTIVE)).toBe('00000000a80425fb\n')
      expect(await sh(box, EFFECTIVE, { user: '1000' })).toBe('0000000000000000\n')
    }))

  it('are added and dropped by name', () =>
    inBox({ capabilities: { add: ['SYS_TIME', 'cap_net_admin'], drop: ['MKNOD'] } }, async box => {
      const set = BigInt(`0x${(await sh(box, EFFECTIVE)).trim()}`)
      expect(set).toBe((0xa80425fbn | (1n << 25n) | (1n << 12n)) & ~(1n << 27n))
      expect(await sh(box, 'ip link add d0 type dummy && ip link set d0 up && echo up')).toBe('up\n')
      expect(await sh(box, 'mknod /tmp/null c 1 3')).toMatch(/Operation not permitted/)
      // Kept with the box.
      await box.restart()
      expect(BigInt(`0x${(await sh(box, EFFECTIVE)).trim()}`)).toBe(set)
    }))

  it('can all be dropped', () =>
    inBox({ capabilities: { drop: ['ALL'] } }, async box => {
      expect(await sh(box, `${EFFECTIVE}; chown 1 /tmp`)).toMatch(/^0000000000000000\n.*Operation not permitted/)
    }))

  it('are refused by name where there is none', async () => {
    const error = await failure(runtime.create({ image: small, capabilities: { add: ['FLY'] } }), 'INVALID_ARGUMENT')
    expect(error.message).toContain('"FLY"')
  })
})

describe('kernel parameters', () => {
  it('are set before anything runs, over our own', () =>
    inBox(
      { sysctls: { 'net.ipv4.ip_unprivileged_port_start': 1024, 'kernel.shmmax': '4096', 'vm.max_map_count': 99_999 } },
      async box => {
        const line = 'cd /proc/sys; cat net/ipv4/ip_unprivileged_port_start kernel/shmmax vm/max_map_count'
        expect(await sh(box, line)).toBe('1024\n4096\n99999\n')
      },
    ))

  it('that the kernel refuses end the start, and say which', async () => {
    for (const sysctls of [{ 'net.ipv4.no_such': '1' }, { 'vm.max_map_count': 'many' }]) {
      const box = await runtime.create({ image: small, sysctls } as BoxOptions)
      const error = await failure(box.start(), 'INVALID_ARGUMENT')
      expect(error.message).toContain(Object.keys(sysctls)[0]?.replaceAll('.', '/'))
      await box.remove({ force: true })
    }
  })
})

describe('devices', () => {
  it('are there and open where they are asked for', () =>
    inBox({ devices: ['/dev/fuse', '/dev/net/tun'] }, async box => {
      expect(await sh(box, 'exec 3<>/dev/fuse && exec 4<>/dev/net/tun && echo open', { user: '1000' })).toBe('open\n')
      expect(await sh(box, 'mknod /tmp/loop b 7 0; exec 3</tmp/loop')).toMatch(/Operation not permitted/)
    }))

  it('loop devices come with what makes them', () =>
    inBox({ devices: ['/dev/loop-control'], capabilities: { add: ['SYS_ADMIN'] } }, async box => {
      const line =
        'dd if=/dev/zero of=/img bs=1M count=4 2>/dev/null; losetup -f; losetup /dev/loop0 /img && losetup -a'
      expect(await sh(box, line)).toMatch(/^\/dev\/loop0\n\/dev\/loop0: .*\/img/)
    }))

  it('that the machine has not end the start, and say which there are', async () => {
    const box = await runtime.create({ image: small, devices: ['/dev/kvm'] })
    const error = await failure(box.start(), 'INVALID_ARGUMENT')
    expect(error.message).toMatch(/\/dev\/kvm.*fuse/)
    await box.remove({ force: true })
  })
})

describe('a main process that is pid 1', () => {
  const options = (line: string): Partial<BoxOptions> => ({ init: false, cmd: ['sh', '-c', line] })

  it('has that number, its own orphans, a journal, and executions beside it', () =>
    inBox(options('echo "I am $$"; trap "echo asked; exit 7" TERM; while :; do sleep 0.1; done'), async box => {
      const execution = box.spawn('sh', [
        '-c',
        'echo $$; cat /proc/1/comm; (sleep 0.2; cut -d" " -f4 /proc/self/stat > /orphan) &',
      ])
      await execution.started
      const [own, first] = (await new Response(ReadableStream.from(execution.stdout) as ReadableStream).text()).split(
        '\n',
      )
      expect(first).toBe('sh')
      expect(Number(own)).toBe(execution.pid)
      expect(await sh(box, 'until [ -s /orphan ]; do sleep 0.1; done; cat /orphan')).toBe('1\n')
      expect(await sh(box, 'ls /proc 2>/dev/null | grep -c ^[0-9]; env | grep ^container')).toMatch(
        /^[3-9]\ncontainer=boxlite\n$/,
      )
      await box.stop()
      expect(await written(box)).toMatch(/I am 1\n(.|\n)*asked\n/)
      expect(await box.wait()).toMatchObject({ state: 'stopped', exitCode: 7 })
    }))

  it('ends the box and all of its processes by its own end', () =>
    inBox(options('until [ -e /go ]; do sleep 0.1; done; exit 3'), async box => {
      const beside = box.spawn('sleep', ['1000'])
      await beside.started
      await sh(box, 'touch /go')
      expect(await beside.wait()).toMatchObject({ signal: 'SIGKILL' })
      expect(await box.wait()).toMatchObject({ state: 'stopped', exitCode: 3 })
    }))

  it('ignores a signal that it does not handle, and is killed when its time is up', () =>
    inBox(options('echo up; while :; do sleep 1; done'), async box => {
      await box.start()
      await box.stop({ timeoutMs: 500 })
      expect(await box.wait()).toMatchObject({ state: 'stopped', signal: 'SIGKILL' })
    }))

  it('that can not be started is a typed error', async () => {
    const box = await runtime.create({ image: small, init: false, cmd: ['/nothing'] })
    await failure(box.start(), 'COMMAND_NOT_FOUND')
    await box.remove({ force: true })
  })
})

describe('an ordinary Debian box', () => {
  it('has user namespaces, and refuses a new /proc in them as docker does', async () => {
    const box = await runtime.create({ image: debian })
    expect(await sh(box, 'unshare -Ur id -u', { user: 'nobody' })).toBe('0\n')
    expect(await sh(box, 'unshare -Urpf --mount-proc true', { user: 'nobody' })).toMatch(/not permitted/)
    const line = 'bwrap --unshare-user --unshare-pid --ro-bind / / --dev /dev'
    expect(await sh(box, `${line} echo inside`, { user: 'nobody' })).toBe('inside\n')
    await box.remove({ force: true })
  })
})

describe('a privileged Debian box', () => {
  let box: Box
  beforeAll(async () => {
    box = await runtime.create({ image: debian, privileged: true, memoryMib: 1024 })
  })

  it('has every capability, nothing masked, and all of /proc/sys, /sys and its control groups', async () => {
    expect(await sh(box, EFFECTIVE)).toBe('000001ffffffffff\n')
    expect(await sh(box, 'echo 1 > /proc/sys/net/ipv4/ip_forward && cat /proc/sys/net/ipv4/ip_forward')).toBe('1\n')
    expect(await sh(box, 'grep -cE " (/proc/|/sys/firmware)" /proc/self/mountinfo')).toBe('0\n')
    const groups =
      'cd /sys/fs/cgroup; echo "+cpu +memory +pids" > cgroup.subtree_control && mkdir x && cat x/cgroup.controllers'
    expect(await sh(box, groups)).toMatch(/cpu.*memory.*pids/)
  })

  it('has every device but the machine’s console', async () => {
    expect(await sh(box, 'ls /dev/fuse /dev/net/tun /dev/loop-control /dev/loop0 /dev/console')).toMatch(
      /console.*No such file(.|\n)*fuse\n.*loop-control\n.*loop0\n.*tun\n|fuse\n.*loop-control\n.*loop0\n.*tun\n(.|\n)*console.*No such file/,
    )
    const line =
      'truncate -s 16M /img; mkfs.ext4 -q /img; mkdir -p /loop; mount -o loop /img /loop && echo kept > /loop/f; umount /loop; mount -o loop /img /loop; cat /loop/f; umount /loop'
    expect(await sh(box, line)).toBe('kept\n')
  })

  it.each(['root', 'nobody'])('lets %s make namespaces with a /proc of their own', async user => {
    expect(await sh(box, 'unshare -Urpf --mount-proc sh -c "echo $$; ls -d /proc/[0-9]* | wc -l"', { user })).toMatch(
      /^\d+\n[1-4]\n$/,
    )
    const line = 'bwrap --unshare-all --ro-bind / / --proc /proc --dev /dev --tmpfs /tmp sh -c "echo inside; ls /tmp"'
    expect(await sh(box, line, { user })).toBe('inside\n')
  })

  it('runs a container of podman', async () => {
    const podman = 'podman --cgroup-manager=cgroupfs --events-backend=file --storage-driver=overlay'
    await sh(
      box,
      'mkdir /srv/fs; cd /srv/fs; mkdir bin proc sys dev tmp etc; cp -L /bin/sh bin; cp -L --parents $(ldd /bin/sh | grep -o "/lib[^ ]*") .',
    )
    expect(
      await sh(
        box,
        `tar -C /srv/fs -c . | ${podman} import - own:1 >/dev/null 2>&1; ${podman} images -q own:1 | wc -l`,
      ),
    ).toBe('1\n')
    const run = `${podman} run --rm --network none own:1 /bin/sh -c 'echo "I am $$ in a container"'`
    expect(await sh(box, run)).toMatch(/^I am 1 in a container\n/m)
  }, 300_000)
})

it('systemd is the main process of a privileged box, comes up, and ends in order', async () => {
  const box = await runtime.create({
    image: debian,
    privileged: true,
    memoryMib: 1024,
    entrypoint: ['/lib/systemd/systemd'],
    stopSignal: 'SIGRTMIN+3',
    init: false,
  })
  expect(
    await sh(box, 'until [ -S /run/systemd/private ]; do sleep 0.2; done; systemctl is-system-running --wait'),
  ).toMatch(/^(running|degraded)\n/)
  expect(await sh(box, 'cat /proc/1/comm; systemd-detect-virt -c')).toMatch(/^systemd\n/)
  const unit = '[Service]\nType=oneshot\nExecStart=/bin/sh -c "cat /proc/self/cgroup > /seen"\n'
  await box.fs.writeFile('/run/systemd/system/seen.service', unit)
  expect(await sh(box, 'systemctl daemon-reload && systemctl start seen && cat /seen')).toBe(
    '0::/system.slice/seen.service\n',
  )
  await box.stop({ timeoutMs: 60_000 })
  // By reboot(2), which in a pid namespace ends its pid 1 by SIGINT.
  expect(await box.wait()).toMatchObject({ state: 'stopped', exitCode: null, signal: 'SIGINT', failure: null })
}, 300_000)
