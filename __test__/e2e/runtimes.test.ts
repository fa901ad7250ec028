// The README's example in the other runtimes that load Node's packages and addons: Bun and Deno, each as npm brings it.
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, expect, it } from 'vitest'
import { capture } from '../../scripts/command.mjs'
import { root } from '../../scripts/paths.mjs'
import { useApp } from '../support/app.js'
import { printed } from '../support/example.js'
import { useHomes } from '../support/homes.js'
import { layout } from '../support/images.js'

const homes = useHomes()
const app = useApp(homes)
let image: string

const brought = (path: string) => join(root, '__test__/consumers/node_modules', path)

beforeAll(async () => {
  image = await layout(homes)
  writeFileSync(join(app.folder, 'readme.ts'), printed)
})

it.each([
  ['Bun', brought('@oven/bun-linux-x64-baseline/bin/bun'), ['run']],
  ['Deno', brought('@deno/linux-x64-glibc/deno'), ['run', '--allow-all', '--node-modules-dir=manual', '--no-check']],
])('%s runs it', async (_, program, args) => {
  const { cwd, env } = app.surroundings()
  const { output, status } = await capture(program, [...args, 'readme.ts', image], {
    cwd,
    env: { ...env, DENO_NO_UPDATE_CHECK: '1', DENO_DIR: homes.folder() },
    timeoutMs: 120_000,
  })
  expect(output).toMatch(/^hello from Linux [\w.+-]+\n22\nexit code 0\n$/)
  expect(status).toBe(0)
})
