// What a test file left behind: processes, sockets, mounts and temporary files that belong to its folder.
// Called by homes.ts after the last test, and by the tests of sudden death.
import { readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { join } from 'node:path'

/** Everything that still lives and mentions `base`; waits up to two seconds for what is about to end. */
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

/** The live processes other than this one whose command line, environment or working directory mentions `folder`. */
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

/** The processes of boxes, that is shims and what they run, among `processesOf`; one that only asks what runs here is none. */
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
    return '' // the process ended while we looked
  }
}

function link(path: string): string {
  try {
    return readlinkSync(path)
  } catch {
    return '' // the process ended, or is another user's
  }
}
