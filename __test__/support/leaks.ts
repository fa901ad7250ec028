// Finds what a test file left behind: processes, sockets, mounts and temporary files that belong to its folder. Called by homes.ts after
// the last test, and by the tests of killed processes.
import { readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { join } from 'node:path'

/** Returns everything that still exists and mentions `base`. Waits up to two seconds for it to end. */
export async function leaksOf(base: string): Promise<string[]> {
  for (let tries = 0; ; tries++) {
    const leaks = [
      ...processesOf(base),
      ...linesWith('/proc/net/unix', base),
      ...linesWith('/proc/self/mountinfo', base),
    ]
    const temporary = readdirSync(join(base, 'tmp')).map(name => `file tmp/${name}`)
    if (leaks.length + temporary.length === 0 || tries === 20) return [...leaks, ...temporary]
    await new Promise(resolve => setTimeout(resolve, 100))
  }
}

/** Returns the running processes, other than this one, whose command line, environment or working directory mentions `folder`. */
export function processesOf(folder: string): string[] {
  const found = []
  for (const pid of readdirSync('/proc').filter(name => /^\d+$/.test(name))) {
    if (Number(pid) === process.pid) continue
    const command = read(`/proc/${pid}/cmdline`)
    const traces = [command, read(`/proc/${pid}/environ`), link(`/proc/${pid}/cwd`)]
    if (command === '' || !traces.some(trace => trace.includes(folder))) continue
    found.push(`process ${pid}: ${command.replaceAll('\0', ' ').slice(0, 160)}`)
  }
  return found
}

/** Returns the processes of boxes among `processesOf`: shims and their engines, but not those that only probe. */
export const machinesOf = (folder: string): string[] =>
  processesOf(folder).filter(
    line => /boxlite-shim|qemu-system/.test(line) && !/shim probe|-accel help|-version/.test(line),
  )

const linesWith = (file: string, text: string): string[] =>
  read(file)
    .split('\n')
    .filter(line => line.includes(text))
    .map(line => `${file}: ${line}`)

function read(file: string): string {
  try {
    return readFileSync(file, 'latin1')
  } catch {
    return '' // the process has ended meanwhile
  }
}

function link(path: string): string {
  try {
    return readlinkSync(path)
  } catch {
    return '' // the process has ended, or is another user's
  }
}
