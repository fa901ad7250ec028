// Kills the guest's agent, which nothing outside the machine can do: writes an initramfs with the real agent and, beside it, a process
// (the saboteur) that after a while overwrites the agent's code in memory, or kills the agent's zygote. The kernel unpacks concatenated
// archives one over the other, so one more archive is appended to the shipped one. Format: Linux,
// Documentation/driver-api/early-userspace/buffer-format.rst. Called by round.mjs and by e2e tests.
import { readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { nativeFolder } from '../../scripts/paths.mjs'
import { findProgram } from '../../scripts/setup/debian.mjs'

const shipped = readFileSync(join(nativeFolder, 'share/initramfs.cpio'))
const DIRECTORY = 0o040755
const PROGRAM = 0o100755

/** Writes the shipped initramfs to `file`, for the next start. @param {string} file */
export const writeClean = file => replace(file, shipped)

/**
 * Writes an initramfs whose agent or zygote is killed.
 * @param {string} file @param {'agent' | 'zygote'} victim
 * @param {number | string} when milliseconds after the kernel's start, or the name of a process to wait for
 */
export function writeSabotaged(file, victim, when) {
  const busybox = readFileSync(findProgram('busybox') ?? '')
  const entries = [
    entry('chaos', DIRECTORY),
    entry('chaos/proc', DIRECTORY),
    entry('chaos/busybox', PROGRAM, busybox),
    entry('chaos/agent', PROGRAM, agent()),
    entry('chaos/saboteur', PROGRAM, Buffer.from(saboteur(victim, when))),
    entry('init', PROGRAM, Buffer.from(INIT)),
    entry('TRAILER!!!', 0),
  ]
  replace(file, Buffer.concat([shipped, ...entries]))
}

/** Writes an initramfs whose guest never connects. @param {string} file */
export function writeSilent(file) {
  const busybox = readFileSync(findProgram('busybox') ?? '')
  const entries = [
    entry('chaos', DIRECTORY),
    entry('chaos/busybox', PROGRAM, busybox),
    entry('init', PROGRAM, Buffer.from('#!/chaos/busybox sh\nwhile :; do /chaos/busybox sleep 1000; done\n')),
    entry('TRAILER!!!', 0),
  ]
  replace(file, Buffer.concat([shipped, ...entries]))
}

/** Runs as PID 1, starts the saboteur and executes the agent, which does not know of that child. */
const INIT = `#!/chaos/busybox sh
/chaos/busybox mknod /dev/null c 1 3
/chaos/busybox mknod /chaos/zero c 1 5
/chaos/busybox mount -t proc proc /chaos/proc
/chaos/busybox sh /chaos/saboteur </dev/console >/dev/console 2>&1 &
exec /chaos/agent
`

/** @param {'agent' | 'zygote'} victim @param {number | string} when */
const saboteur = (victim, when) => `cd /chaos
${typeof when === 'number' ? `./busybox sleep ${(when / 1000).toFixed(3)}` : waitForProcess(when)}
${victim === 'agent' ? BREAK_AGENT : KILL_ZYGOTE}`

/** @param {string} process */
const waitForProcess = process => `seen=
until [ "$seen" ]; do
  ./busybox sleep 0.1
  for stat in proc/[0-9]*/stat; do
    read -r pid name rest < $stat && [ "$name" = "(${process})" ] && seen=yes
  done
done`

/** Overwrites the agent's code with FF FF, which is no valid instruction. */
const BREAK_AGENT = `while read -r range rights rest; do
  case $rights in r-x*) break ;; esac
done < proc/1/maps
first=$(( 0x\${range%-*} / 4096 ))
count=$(( 0x\${range#*-} / 4096 - first ))
./busybox tr '\\0' '\\377' < zero | ./busybox dd of=proc/1/mem bs=4096 seek=$first count=$count iflag=fullblock conv=notrunc
`

/** Kills the agent's children except this script, as soon as there is one. Kernel threads have another parent. */
const KILL_ZYGOTE = `killed=
until [ "$killed" ]; do
  for stat in proc/[0-9]*/stat; do
    read -r pid name state parent rest < $stat
    [ "$parent" = 1 ] && [ "$pid" != "$$" ] && ./busybox kill -9 $pid && killed=yes
  done
  ./busybox sleep 0.05
done
`

/** Returns the shipped agent, the file `init` of the shipped archive. */
function agent() {
  for (let at = 0; ; ) {
    const field = (/** @type {number} */ index) =>
      Number.parseInt(shipped.toString('latin1', at + 6 + index * 8, at + 14 + index * 8), 16)
    const [size, nameSize] = [field(6), field(11)]
    const name = shipped.toString('latin1', at + 110, at + 109 + nameSize)
    const data = aligned(at + 110 + nameSize)
    if (name === 'init') return shipped.subarray(data, data + size)
    if (name === 'TRAILER!!!') throw new Error('the initramfs has no init')
    at = aligned(data + size)
  }
}

/** @param {string} name @param {number} mode @param {Buffer} [data] */
function entry(name, mode, data = Buffer.alloc(0)) {
  const fields = [0, mode, 0, 0, 1, 0, data.length, 0, 0, 0, 0, name.length + 1, 0]
  const header = `070701${fields.map(field => field.toString(16).padStart(8, '0')).join('')}${name}\0`
  return Buffer.concat([
    Buffer.from(header.padEnd(aligned(header.length), '\0'), 'latin1'),
    data,
    Buffer.alloc(aligned(data.length) - data.length),
  ])
}

/** @param {number} offset */
const aligned = offset => (offset + 3) & ~3

/** Replaces a file atomically, since a start may be reading it. @param {string} file @param {Buffer} bytes */
function replace(file, bytes) {
  writeFileSync(`${file}.next`, bytes)
  renameSync(`${file}.next`, file)
}
