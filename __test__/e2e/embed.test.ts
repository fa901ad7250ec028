// The core without Node: examples/embed.rs, the first program of the Rust API, makes a box and runs a command in it;
// examples/executor.rs makes every kind of call on a thread without tokio.
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

/** Builds an example and runs it with an image. */
const run = async (example: string) => {
  const image = await layout(homes)
  const env = { ...process.env, BOXLITE_HOME: homes.folder(), BOXLITE_ENGINE: engine }
  return withTarget(
    () => {},
    async target => {
      // For the whole workspace, as `cargo test` builds it: another choice of packages would compile their libraries again.
      const build = ['build', '--quiet', '--locked', '--workspace', '--example', example]
      const built = await capture('cargo', build, { cwd: root, env: { ...env, CARGO_TARGET_DIR: target } })
      expect(built.status, built.output).toBe(0)
      return capture(join(target, 'debug/examples', example), [image], { cwd: root, env })
    },
  )
}

it('runs a box from Rust', async () => {
  const { output, status } = await run('embed')
  expect(output).toBe('hello, Rust, from Linux\n')
  expect(status).toBe(0)
}, 600_000)

it('needs no tokio on the thread that awaits its calls', async () => {
  const { output, status } = await run('executor')
  expect(output.trimEnd().split('\n')).toEqual([
    '1 boxes, running',
    'seen: true',
    '1048576 bytes written',
    '1048576 bytes read',
    '2 entries',
    'cat: Rust',
    'sleep: EXEC_TIMEOUT',
    'stdout: echo',
    'exit: Some(0)',
    '1 runs',
    'signal: Some(9)',
    'touched: true',
    'measured: true',
    'log ended: true, box stopped',
    '1 images, 1 bytes',
    'gone: true',
  ])
  expect(status).toBe(0)
}, 600_000)
