// Checks that published files agree with their sources: the bundled types, and the version numbers.
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { VERSION } from '../../lib/version.js'
import { capture } from '../../scripts/command.mjs'
import { root } from '../../scripts/paths.mjs'

const text = (path: string) => readFileSync(join(root, path), 'utf8')

// It compiles all of lib/, which takes a processor of its own some seconds, and minutes one that many share.
it('has the types of the sources in index.d.ts', { timeout: 600_000 }, async () => {
  const result = await capture('npm', ['run', '--silent', 'check:types'], { cwd: root })
  expect(result.status, result.output).toBe(0)
})

it('has one version number', () => {
  const { version } = JSON.parse(text('package.json'))
  const cargo = /\[workspace\.package\]\nversion = "([^"]+)"/.exec(text('Cargo.toml'))?.[1]
  const lock = JSON.parse(text('package-lock.json')).version
  const platforms = readdirSync(join(root, 'npm')).map(name => JSON.parse(text(`npm/${name}/package.json`)).version)
  expect([cargo, lock, ...platforms]).toEqual(platforms.map(() => version).concat(version, version))
  expect(VERSION).toBe(version)
  expect(text('CHANGELOG.md')).toContain(`## ${version}`)
})

it('requires the versions of Node and Rust that the README names', () => {
  expect(text('README.md')).toContain(`Node ${JSON.parse(text('package.json')).engines.node.replace('>=', '≥ ')}`)
  expect(text('README.md')).toContain(`Rust ${/rust-version = "([^"]+)"/.exec(text('Cargo.toml'))?.[1]}`)
})
