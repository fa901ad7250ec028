// The README's example runs exactly as it is printed there: it is the file examples/readme.ts, which runs here.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { root } from '../../scripts/paths.mjs'
import { printed, runExample } from '../support/example.js'
import { engine, useHomes } from '../support/homes.js'
import { layout } from '../support/images.js'

const homes = useHomes()

it('is the file in examples/, of at most 15 lines', () => {
  const file = readFileSync(join(root, 'examples/readme.ts'), 'utf8')
  expect(printed).toBe(file.replace(/^\/\/.*\n/, ''))
  expect(printed.trimEnd().split('\n').length).toBeLessThanOrEqual(15)
})

it('runs', async () => {
  const env = { ...process.env, BOXLITE_HOME: homes.folder(), BOXLITE_ENGINE: engine }
  const { output, status } = await runExample(printed, [await layout(homes)], { cwd: root, env })
  expect(output).toMatch(/^hello from Linux [\w.+-]+\n22\nexit code 0\n$/)
  expect(status).toBe(0)
})
