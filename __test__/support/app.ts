// A user's program in a folder outside this source tree, with both packages installed by npm. Used by the e2e tests of packages.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect } from 'vitest'
import { capture } from '../../scripts/command.mjs'
import { packPackages } from '../../scripts/package/pack.mjs'
import type { Surroundings } from './example.js'
import { engine, type Homes } from './homes.js'

/** The environment of a user's machine: no BOXLITE_ variable, no Node option, no path into this tree. */
const clean = Object.fromEntries(
  Object.entries(process.env).filter(([key]) => !/^(BOXLITE_|NODE_|npm_|VITE|INIT_CWD)/.test(key)),
)

export interface App {
  /** Its folder. */
  readonly folder: string
  /** The environment of a program that runs there, with a home of its own. */
  surroundings(): Surroundings
}

/** Creates the folder before the first test of a file, and removes it after the last. */
export function useApp(homes: Homes): App {
  let folder = ''
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'boxlite-app-'))
    const tarballs = await packPackages(homes.folder())
    writeFileSync(join(folder, 'package.json'), JSON.stringify({ name: 'app', private: true }))
    const args = ['install', '--ignore-scripts', '--no-audit', '--no-fund', '--offline', ...tarballs]
    const result = await capture('npm', args, { cwd: folder, env: clean })
    expect(result.status, result.output).toBe(0)
  })
  afterAll(() => rmSync(folder, { recursive: true, force: true }))
  return {
    get folder() {
      return folder
    },
    surroundings: () => ({
      cwd: folder,
      env: { ...clean, TMPDIR: process.env.TMPDIR, BOXLITE_HOME: homes.folder(), BOXLITE_ENGINE: engine },
    }),
  }
}
