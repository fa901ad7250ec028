// When this process may open no more files, or its user may have no more processes: a clear error, nothing is left behind, and
// once there is room again boxes start. Each in a process of its own, whose limits are lowered from here.
import { execFileSync } from 'node:child_process'
import { readdirSync, statSync } from 'node:fs'
import { afterEach, beforeAll, expect, it } from 'vitest'
import { useHomes } from '../support/homes.js'
import { layout } from '../support/images.js'
import { Peer } from '../support/peer.js'

const homes = useHomes()
let image: string

beforeAll(async () => {
  image = await layout(homes)
})

/** Root is exempt from the limit of processes, so its peer is somebody else, who may use root's files all the same. */
const SOMEBODY = 64_123
const isRoot = process.getuid?.() === 0
const AS_SOMEBODY = [
  'setpriv',
  `--reuid=${SOMEBODY}`,
  `--regid=${SOMEBODY}`,
  '--clear-groups',
  '--inh-caps=+dac_override',
  '--ambient-caps=+dac_override',
]

const filesOf = (pid: number) => readdirSync(`/proc/${pid}/fd`).length

/** How many threads a user has, in all processes. */
function threadsOf(user: number): number {
  const counts = readdirSync('/proc').map(pid => {
    try {
      return /^\d+$/.test(pid) && statSync(`/proc/${pid}`).uid === user ? readdirSync(`/proc/${pid}/task`).length : 0
    } catch {
      return 0 // it ended while we looked
    }
  })
  return counts.reduce((sum, count) => sum + count, 0)
}

interface Shortage {
  code: string
  message: string
  hint: string
  cause: string
}

/** Many more are wanted than there is room for: what came of them. */
const crowd = async (runtime: import('../../index.mjs').Runtime, image: string) => {
  const errors: Shortage[] = []
  const keep = ({ code, message, hint, cause }: Shortage) =>
    void errors.push({ code, message, hint: `${hint}`, cause: `${cause}` })
  for (let count = 0; count < 6; count++) {
    const box = await runtime.create({ image, memoryMib: 128 }).catch(keep)
    await box?.start().catch(keep)
  }
  return errors
}

/** The one that was there before them. */
const again = async (_: unknown, word: string, kept: Record<string, unknown>) =>
  (await (kept.first as import('../../index.mjs').Box).exec('echo', [word])).stdout

const LIMITS = [
  ['files', 'nofile', [], (pid: number) => filesOf(pid) + 8],
  [
    'processes',
    'nproc',
    isRoot ? AS_SOMEBODY : [],
    () => threadsOf(isRoot ? SOMEBODY : (process.getuid?.() ?? 0)) + 14,
  ],
] as const

// Killed before the checks for what is left, also when a test fails; its boxes then end as those of a dead process do.
let peer: Peer | undefined
afterEach(() => peer?.kill())

it.each(LIMITS)(
  'says so when %s run short, leaves nothing behind, and goes on when there is room',
  async (_, name, through, room) => {
    peer = await Peer.start(homes.folder(), {}, [...through])
    const one = async (runtime: import('../../index.mjs').Runtime, image: string, kept: Record<string, unknown>) => {
      const box = await runtime.create({ image, memoryMib: 128 })
      kept.first ??= box
      return (await box.exec('echo', ['up'])).stdout
    }
    expect(await peer.run(one, image)).toBe('up\n')
    // A user may change the limits of its own processes; root may be forbidden to change those of others.
    const { pid } = peer
    const prlimit = (...args: string[]) => {
      const [file, ...rest] = [...through, 'prlimit', '--pid', `${pid}`, ...args]
      return execFileSync(file as string, rest, { encoding: 'utf8' })
    }
    const before = prlimit(`--${name}`, '--noheadings', '--raw', '--output', 'SOFT').trim()
    prlimit(`--${name}=${room(pid)}:`)
    const errors = await peer.run(crowd, image)
    expect(errors).not.toEqual([])
    // Whole, so that a failure tells which error came from where.
    expect(errors.filter(({ code, hint }) => code !== 'HOST_LIMIT' || !hint.includes('ulimit -n'))).toEqual([])
    // Of threads this can't be promised: a QEMU that can't have one more for its disk gives up.
    if (name === 'nofile') expect(await peer.run(again, 'still here')).toBe('still here\n')
    prlimit(`--${name}=${before}:`)
    expect(await peer.run(one, image)).toBe('up\n')
    // Machines that did not come up are gone, the others end with it.
    await peer.run(async runtime => {
      for (const { id } of await runtime.list()) await runtime.remove(id, { force: true })
      await runtime.close()
    }, null)
  },
)
