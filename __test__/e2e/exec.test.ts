// What a command sees and what comes back of it: output, exit codes, signals, cwd, environment, user, stdin, terminal.
// One box for the whole file, as a program would do it.
import { describe, expect, it } from 'vitest'
import type { Box, ExecOptions } from '../../index.mjs'
import { failure } from '../support/failures.js'
import { useHomes } from '../support/homes.js'
import { file } from '../support/images.js'
import { useRuntime } from '../support/runtime.js'

const homes = useHomes()
let box: Box
const sh = (script: string, options = {}) => box.exec('sh', ['-c', script], options)

const config = { Env: ['PATH=/bin:/usr/bin', 'FROM_IMAGE=image', 'SHARED=image', 'GONE=image'], WorkingDir: '/var' }
useRuntime(
  homes,
  async ({ runtime, image }) => {
    box = await runtime.create({ image, env: { FROM_BOX: 'box', SHARED: 'box', GONE: undefined }, hostname: 'sandbox' })
    await box.start()
  },
  { layers: [[file('etc/plain', 'not a program\n')]], image: { config } },
)

describe('output', () => {
  it('comes back exactly, each stream by itself', async () => {
    const result = await sh('printf "a\\nb"; printf "c\\n\\n" >&2; printf "\\303\\244"')
    expect(result).toMatchObject({ exitCode: 0, signal: null, stdout: 'a\nbä', stderr: 'c\n\n' })
  })

  it('streams while the command runs', async () => {
    const child = box.spawn('sh', ['-c', 'echo one; read line; echo "two $line"'])
    const chunks: string[] = []
    for await (const chunk of child.stdout) {
      chunks.push(String(chunk))
      if (chunks.length === 1) child.stdin.end('go\n')
    }
    expect(chunks.join('')).toBe('one\ntwo go\n')
    expect((await child.wait()).exitCode).toBe(0)
  })

  it('is empty when there is none', async () => {
    expect(await box.exec('true')).toMatchObject({ exitCode: 0, stdout: '', stderr: '' })
  })
})

describe('the end of a command', () => {
  it.each([0, 1, 2, 42, 126, 255])('has exit code %i', async code => {
    expect(await sh(`exit ${code}`)).toMatchObject({ exitCode: code, signal: null })
  })

  it.each(['SIGKILL', 'SIGTERM', 'SIGSEGV'])('by %s is reported as a signal', async signal => {
    expect(await sh(`kill -${signal.slice(3)} $$`)).toMatchObject({ exitCode: null, signal })
  })

  it('can be brought about by kill', async () => {
    const child = box.spawn('sleep', ['60'])
    expect(await child.kill(0)).toBe(true)
    expect(await child.kill('SIGTERM')).toBe(true)
    expect(await child.wait()).toMatchObject({ exitCode: null, signal: 'SIGTERM' })
    expect(await child.kill('SIGTERM')).toBe(false)
  })

  it('rejects with `check` unless it is zero', async () => {
    const error = await failure(sh('echo seen; echo why >&2; exit 3', { check: true }), 'EXEC_NON_ZERO')
    expect(error.message).toContain('3')
  })

  it('comes after `timeoutMs`', async () => {
    await failure(sh('sleep 60', { timeoutMs: 500 }), 'EXEC_TIMEOUT')
  })

  it('comes with an AbortSignal', async () => {
    const running = sh('sleep 60', { signal: AbortSignal.timeout(300) })
    await failure(running, 'ABORTED')
    expect((await sh('ps | grep -c "[s]leep 60"')).stdout.trim()).toBe('0')
  })
})

describe('a command that can not be started', () => {
  it('is not there', async () => {
    const error = await failure(box.exec('no-such-command'), 'COMMAND_NOT_FOUND')
    expect(error.message).toContain('no-such-command')
    await failure(box.exec('/no/such/path'), 'COMMAND_NOT_FOUND')
  })

  it('is not executable', async () => {
    await failure(box.exec('/etc/plain'), 'COMMAND_NOT_EXECUTABLE')
  })

  it.each([
    ['a script without a first line that names its interpreter', 'echo hi\n', 'exec format error'],
    ['an empty file', '', 'exec format error'],
    ['a program for another machine', '\x7fELF\x02\x01\x01'.padEnd(64, '\x02'), 'exec format error'],
    ['a script whose lines end as on Windows', '#!/bin/sh\r\necho hi\r\n', String.raw`"/bin/sh\r" does not exist`],
    ['a script of an interpreter that is missing', '#!/no/such\n', '"/no/such" is not in the image'],
  ])('is %s', async (_, content, text) => {
    await box.fs.writeFile('/tmp/file', Buffer.from(content, 'latin1'), { mode: 0o755 })
    for (const [command, env] of [
      ['/tmp/file', {}],
      ['file', { PATH: '/bin:/tmp' }],
    ] as const) {
      const error = await failure(box.exec(command, { env }), 'COMMAND_NOT_EXECUTABLE')
      expect(error.message).toContain(text)
    }
    await box.fs.rm('/tmp/file')
  })

  it('is a directory', async () => {
    expect((await failure(box.exec('/tmp'), 'COMMAND_NOT_EXECUTABLE')).message).toContain('it is a directory')
  })

  it('has more arguments or variables than Linux takes, and gets an error with the limit', async () => {
    const error = await failure(box.exec('true', Array(40_000).fill('x'.repeat(55))), 'INVALID_ARGUMENT')
    expect(error.message).toContain('2097152')
    for (const refused of [
      box.exec('true', ['x'.repeat(131_072)]),
      box.exec('true', { env: { A: 'x'.repeat(131_070) } }),
    ]) {
      expect((await failure(refused, 'INVALID_ARGUMENT')).message).toContain('131071')
    }
  })

  it('has no such working directory or user', async () => {
    await failure(box.exec('true', [], { cwd: '/nowhere' }), 'EXEC_CWD')
    await failure(box.exec('true', [], { user: 'nobody-here' }), 'EXEC_USER')
  })

  it('leaves the box as it was', async () => {
    expect((await sh('echo fine')).stdout).toBe('fine\n')
  })
})

describe('surroundings', () => {
  it('takes as many arguments, and as long ones, as Linux does', async () => {
    const words = Array(32_000).fill('x'.repeat(55))
    const count = await box.exec('sh', ['-c', 'echo $# $(expr length $1)', 'sh', ...words])
    expect(count.stdout).toBe('32000 55\n')
    expect((await sh('printf %s "$A" | wc -c', { env: { A: 'x'.repeat(131_069) } })).stdout).toBe('131069\n')
  })

  it('lacks the variables of image and box that are undefined', async () => {
    const env = { FROM_IMAGE: undefined, FROM_BOX: undefined, HOME: undefined, OTHER: undefined, SHARED: '' }
    const { stdout } = await box.exec('env', { env })
    expect(stdout.trim().split('\n').sort()).toEqual(['PATH=/bin:/usr/bin', 'SHARED='])
  })

  it('has users by number though nobody can read who they are', async () => {
    // Not `id`: busybox' own reads the file itself, and waits for ever.
    const uid = async (options: ExecOptions = {}) =>
      (await box.exec('grep', ['Uid', '/proc/self/status'], options)).stdout.split('\t')[1]
    await sh('mv /etc/passwd /etc/known && mkfifo /etc/passwd', { check: true })
    try {
      expect(await uid({ user: 7 })).toBe('7')
      expect((await failure(box.exec('true', { user: 'app' }), 'EXEC_USER')).message).toContain('not a regular file')
      await box.exec('ln', ['-sf', '/dev/zero', '/etc/passwd'], { check: true })
      expect(await uid()).toBe('0')
    } finally {
      await box.exec('mv', ['/etc/known', '/etc/passwd'], { check: true })
    }
    expect(await uid({ user: 'app' })).toBe('1000')
  })

  it('has the working directory of the image, or the one of the option', async () => {
    expect((await box.exec('pwd')).stdout).toBe('/var\n')
    expect((await box.exec('pwd', [], { cwd: '/tmp' })).stdout).toBe('/tmp\n')
  })

  it('has the environment of image, box and command, the nearest winning', async () => {
    const { stdout } = await sh('echo $FROM_IMAGE $FROM_BOX $FROM_EXEC $SHARED', {
      env: { FROM_EXEC: 'exec', SHARED: 'exec' },
    })
    expect(stdout).toBe('image box exec exec\n')
    expect((await sh('echo $SHARED')).stdout).toBe('box\n')
  })

  it.each([
    ['app', '1000:1000 /home/app\n'],
    ['1000', '1000:1000 /home/app\n'],
    ['1234:99', '1234:99 /\n'],
    ['root', '0:0 /root\n'],
  ])('has user %s', async (user, expected) => {
    expect((await sh('echo $(id -u):$(id -g) $HOME', { user })).stdout).toBe(expected)
  })

  it('has the host name', async () => {
    expect((await box.exec('hostname')).stdout).toBe('sandbox\n')
  })

  it('looks like a container: own pids, /proc, /dev, /dev/shm, /tmp', async () => {
    const { stdout } = await sh(
      'echo x > /dev/null && echo y > /dev/shm/y && echo z > /tmp/z && cat /dev/shm/y /tmp/z && head -c 4 /dev/urandom | wc -c && readlink /dev/fd',
    )
    expect(stdout).toBe('y\nz\n4\n/proc/self/fd\n')
    expect(Number((await sh('ls /proc | grep -c "^[0-9]*$"')).stdout)).toBeLessThan(20)
  })
})

describe('confinement', () => {
  it('gives root the capabilities of a container and no more, and other users none', async () => {
    const effective = 'grep CapEff /proc/self/status | cut -f2'
    // Docker's fourteen (capability(7) numbers 0 1 3 4 5 6 7 8 10 13 18 27 29 31).
    expect((await sh(effective)).stdout).toBe('00000000a80425fb\n')
    expect((await sh(effective, { user: 'app' })).stdout).toBe('0000000000000000\n')
    expect((await sh('mount -t tmpfs x /mnt')).exitCode).not.toBe(0)
  })

  it('bounds open files', async () => {
    expect((await sh('ulimit -n')).stdout).toBe('1048576\n')
  })

  it('masks what a container must not see, and keeps the kernel’s knobs read-only', async () => {
    expect((await sh('cat /proc/keys; cat /proc/timer_list')).stdout).toBe('')
    expect((await sh('echo 1 > /proc/sys/kernel/sysrq')).exitCode).not.toBe(0)
    expect((await sh('echo b > /proc/sysrq-trigger')).exitCode).not.toBe(0)
    expect((await sh('touch /sys/fs/cgroup/x')).exitCode).not.toBe(0)
  })

  it('has cgroup v2 with a bound on processes', async () => {
    expect((await sh('cat /sys/fs/cgroup/pids.max')).stdout).toBe('4096\n')
    expect((await sh('cat /proc/self/cgroup')).stdout).toMatch(/^0::\//)
  })
})

it('reaches itself over the loopback interface', async () => {
  const { stdout } = await sh('echo through | nc -l -p 4000 & sleep 0.3; nc 127.0.0.1 4000 </dev/null; wait')
  expect(stdout).toBe('through\n')
})

it('has the time of the host', async () => {
  const { stdout } = await box.exec('date', ['+%s'])
  expect(Math.abs(Number(stdout) - Date.now() / 1000)).toBeLessThan(5)
})

describe('stdin', () => {
  it('reaches the command and ends', async () => {
    expect((await box.exec('cat', [], { stdin: 'x\ny' })).stdout).toBe('x\ny')
  })

  it('is empty unless an option sets it', async () => {
    expect((await box.exec('cat')).stdout).toBe('')
  })
})

it('gives a terminal of the requested size', async () => {
  const child = box.spawn('sh', ['-c', 'stty size; test -t 0 && echo terminal'], { tty: { cols: 100, rows: 30 } })
  let output = ''
  for await (const chunk of child.stdout) output += chunk
  expect(output.replaceAll('\r', '')).toBe('30 100\nterminal\n')
  expect((await child.wait()).exitCode).toBe(0)
})
