// Finds the processes of a box in /proc: those that can be killed, and those that are left. Called by life.mjs and oracle.mjs. Works on
// Linux only.
import { readdirSync, readFileSync } from 'node:fs'

/** @typedef {{ pid: number, parent: number, name: string, command: string }} Process */

/** Returns the name of a box's shim, which the kernel truncates to 15 bytes. @param {string} id */
const nameOf = id => `boxlite-${id}`.slice(0, 15)

/** @param {string} id */
export const shimOf = id => processes().find(({ name }) => name === nameOf(id))

/** @param {string} id */
export const qemuOf = id =>
  processes().find(({ command }) => command.includes('qemu-system') && command.includes(`boxlite-${id}\0`))

/**
 * Returns every process that belongs to a box of `ids` or has `home` in its command line, as text.
 * @param {string} home @param {Iterable<string>} ids
 */
export function machinesOf(home, ids) {
  const names = new Set([...ids].map(nameOf))
  return processes()
    .filter(
      ({ name, command }) => names.has(name) || (command.includes(home) && /boxlite-shim|qemu-system/.test(command)),
    )
    .map(({ pid, name }) => `process ${pid} (${name})`)
}

/** Sends SIGKILL. Returns false if there is no such process. @param {number | undefined} pid */
export function killNow(pid) {
  if (pid === undefined) return false
  try {
    return process.kill(pid, 'SIGKILL')
  } catch {
    return false
  }
}

/**
 * Returns every running process. A zombie counts while one of its threads runs, since its files are open until then.
 * @returns {Process[]}
 */
export function processes() {
  const found = []
  for (const pid of readdirSync('/proc').filter(name => /^\d+$/.test(name))) {
    // `PID (NAME) STATE PARENT …`, where NAME may contain anything (proc(5)).
    const [, name = '', state = '', parent] = /\((.*)\) (\S) (\d+)/s.exec(read(`/proc/${pid}/stat`)) ?? []
    if (parent === undefined || ('ZX'.includes(state) && threadsOf(pid) <= 1)) continue
    found.push({ pid: Number(pid), parent: Number(parent), name, command: read(`/proc/${pid}/cmdline`) })
  }
  return found
}

/** @param {string} pid */
function threadsOf(pid) {
  try {
    return readdirSync(`/proc/${pid}/task`).length
  } catch {
    return 0
  }
}

/** @param {string} file */
function read(file) {
  try {
    return readFileSync(file, 'latin1')
  } catch {
    return '' // the process has ended meanwhile
  }
}
