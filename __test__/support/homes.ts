// A folder of its own for each test file, and checks that nothing is left and that all disks are whole. A test file calls `useHomes()`
// once; after its last test every runtime is closed and the checks of leaks.ts and disks.ts run.
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect } from 'vitest'
import { Runtime, type RuntimeOptions } from '../../index.mjs'
import { diskFaults } from './disks.js'
import { leaksOf } from './leaks.js'

/** The engine under test: qemu, unless BOXLITE_TEST_ENGINE names another one. */
export const engine = (process.env.BOXLITE_TEST_ENGINE ?? 'qemu') as 'qemu' | 'krun'

export interface Homes {
  /** The folder of everything of this test file, including the library's temporary files. */
  readonly base: string
  /** Creates a new folder. */
  folder(): string
  /** Opens a runtime, by default in a home of its own. It is closed after the last test. */
  open(options?: RuntimeOptions): Promise<Runtime>
}

export function useHomes(): Homes {
  let base = ''
  let count = 0
  const open: Runtime[] = []
  const temp = process.env.TMPDIR

  beforeAll(() => {
    base = mkdtempSync(join(tmpdir(), 'bx-'))
    process.env.TMPDIR = join(base, 'tmp')
    mkdirSync(join(base, 'tmp'))
  })

  afterAll(async () => {
    for (const runtime of open.reverse()) await runtime.close()
    if (temp === undefined) delete process.env.TMPDIR
    else process.env.TMPDIR = temp
    const leaks = await leaksOf(base)
    const faults = await diskFaults(base)
    rmSync(base, { recursive: true, force: true })
    expect(leaks, 'left behind by this file').toEqual([])
    expect(faults, 'disks of this file').toEqual([])
  })

  const homes = {
    get base() {
      return base
    },
    folder() {
      const folder = join(base, `${count++}`)
      mkdirSync(folder)
      return folder
    },
    async open(options: RuntimeOptions = {}) {
      const runtime = await Runtime.open({ home: homes.folder(), engine, ...options })
      open.push(runtime)
      return runtime
    },
  }
  return homes
}
