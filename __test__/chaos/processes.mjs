// The processes of a box, found from the outside by what /proc tells: victims to choose from, and whoever was left.
// Called by life.mjs and oracle.mjs. Linux only, as the test is.
import { readdirSync, readFileSync } from 'node:fs'

/** @typedef {{ pid: number, parent: number, name: string, command: string }} Process */

/** A shim's name has as much of its box's id as the kernel keeps: 15 bytes. @param {string} id */
const nameOf = id => `boxlite-${id}`.slice(0, 15)

/** @param {string} id */
export const shimOf = id => processes().find(({ name }) => name === nameOf(id))

/** @param {string} id */
export const qemuOf = id =>
  processes().find(({ command }) => command.includes('qemu-system') && command.includes(`boxlite-${id}\0`))

/** Every process that belongs to a box of `ids` or names `home`, in words. @param {string} home @param {Iterable<string>} ids */
export function machinesOf(home, ids) {
  const names = new Set([...ids].map(nameOf))
  return processes()
    .filter(
      ({ name, command }) => names.has(name) || (command.includes(home) && /boxlite-shim|qemu-system/.test(command)),
    )
    .map(({ pid, name }) => `process ${pid} (${name})`)
}

/** Sends SIGKILL; false when there is nobody of this pid. @param {number | undefined} pid */
export function killNow(pid) {
  if (pid === undefined) return false
  try {
    return process.kill(pid, 'SIGKILL')
  } catch {
    return false
  }
}

/** Every live process. A zombie holds nothing any more, but its files as long as one of its threads lives. @returns {Process[]} */
export function processes() {
  const found = []
  for (const pid of readdirSync('/proc').filter(name => /^\d+$/.test(name))) {
    // `PID (NAME) STATE PARENT …`, where the name may hold anything (proc(5)).
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
    return '' // the process ended while we looked
  }
}
