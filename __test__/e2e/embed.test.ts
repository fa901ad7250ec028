// The core without Node: examples/embed.rs, the first program of the Rust API, makes a box and runs a command in it.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { withTarget } from '../../scripts/build/target.mjs'
import { capture } from '../../scripts/command.mjs'
import { root } from '../../scripts/paths.mjs'
import { engine, useHomes } from '../support/homes.js'
import { layout } from '../support/images.js'

const homes = useHomes()

it('is a program of at most 30 lines', () => {
  expect(readFileSync(join(root, 'examples/embed.rs'), 'utf8').trimEnd().split('\n').length).toBeLessThanOrEqual(30)
})

it('runs a box from Rust', async () => {
  const image = await layout(homes)
  const env = { ...process.env, BOXLITE_HOME: homes.folder(), BOXLITE_ENGINE: engine }
  const { output, status } = await withTarget(
    () => {},
    async target => {
      // For the whole workspace, as `cargo test` builds it: another choice of packages would compile their libraries again.
      const build = ['build', '--quiet', '--locked', '--workspace', '--example', 'embed']
      const built = await capture('cargo', build, { cwd: root, env: { ...env, CARGO_TARGET_DIR: target } })
      expect(built.status, built.output).toBe(0)
      return capture(join(target, 'debug/examples/embed'), [image], { cwd: root, env })
    },
  )
  expect(output).toBe('hello, Rust, from Linux\n')
  expect(status).toBe(0)
}, 600_000)
