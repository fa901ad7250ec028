// examples/shell.ts at a real terminal: tmux types, and what stands on the screen is what a person would see.
import { execFileSync } from 'node:child_process'
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { stop, transform } from 'esbuild'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { root } from '../../scripts/paths.mjs'
import { engine, useHomes } from '../support/homes.js'
import { layout } from '../support/images.js'

const homes = useHomes()
const socket = `boxlite-${process.pid}`
// Below the root, so that the program finds the package by its own name.
const program = join(root, 'build/test', `shell-${process.pid}.mjs`)

const tmux = (...args: string[]) => execFileSync('tmux', ['-L', socket, '-f', '/dev/null', ...args]).toString()
const type = (...keys: string[]) => tmux('send-keys', '-t', 'shell', ...keys)
/** Types a line once the shell asks for one; what is typed while it changes the terminal's mode would be lost. */
async function enter(line: string): Promise<void> {
  await shows(/# *$/)
  await new Promise(resolve => setTimeout(resolve, 400))
  type(line, 'Enter')
}
const screen = () => tmux('capture-pane', '-p', '-t', 'shell').trimEnd()

/** Waits until the screen matches. */
async function shows(pattern: RegExp): Promise<string> {
  for (let tries = 0; tries < 300; tries++) {
    if (pattern.test(screen())) return screen()
    await new Promise(resolve => setTimeout(resolve, 100))
  }
  throw new Error(`${pattern} never showed:\n${screen()}`)
}

/** Presses a key, again and again until it is heard by what has only begun, and the screen matches. */
async function press(key: string, pattern: RegExp): Promise<void> {
  await expect
    .poll(() => (pattern.test(screen()) ? '' : type(key) || screen()), { timeout: 30_000, interval: 500 })
    .toBe('')
}

beforeAll(async () => {
  const source = readFileSync(join(root, 'examples/shell.ts'), 'utf8')
  const { code } = await transform(source, { loader: 'ts', format: 'esm', target: 'node20' })
  await stop()
  mkdirSync(join(root, 'build/test'), { recursive: true })
  writeFileSync(program, code)
  const image = await layout(homes)
  const env = { ...process.env, BOXLITE_HOME: homes.folder(), BOXLITE_ENGINE: engine }
  const exports = Object.entries(env).filter(([key]) => /^(BOXLITE_|TMPDIR|PATH)/.test(key))
  const line = `${exports.map(([key, value]) => `${key}='${value}'`).join(' ')} '${process.execPath}' '${program}' '${image}'; echo "ended $?"; sleep 600`
  tmux('new-session', '-d', '-s', 'shell', '-x', '80', '-y', '24', line)
})

afterAll(() => {
  try {
    tmux('kill-server')
  } catch {} // it has ended with its last session
  rmSync(program, { force: true })
})

it('shows a prompt, and echoes once what is typed', async () => {
  await shows(/# *$/)
  await enter('echo h$((1+1))llo')
  const seen = await shows(/^h2llo$/m)
  expect(seen.match(/echo h\$\(\(1\+1\)\)llo/g)).toHaveLength(1)
})

it('interrupts with Ctrl-C, and the shell goes on', async () => {
  await enter('clear; echo be""gun; sleep 600')
  await shows(/^begun$/m)
  await press('C-c', /# *$/)
  await enter('echo "status $?"')
  await shows(/^status 130$/m)
})

it('has job control: Ctrl-Z, jobs, fg', async () => {
  await enter('clear; sleep 600')
  await press('C-z', /Stopped/)
  await enter('jobs; kill -9 %1; clear')
})

it('has the size that was given, also after a resize', async () => {
  await enter('clear; stty size')
  await shows(/^24 80$/m)
  tmux('resize-window', '-t', 'shell', '-x', '100', '-y', '30')
  await enter('clear; until stty size | grep "30 100"; do sleep 0.1; done')
  await shows(/^30 100$/m)
})

it('edits a file with vi', async () => {
  await enter('clear; vi /tmp/note')
  await shows(/~\n~[\s\S]*\/tmp\/note/)
  type('i')
  type('written in vi')
  type('Escape')
  // On its own, Escape is told from the beginning of a key's sequence by the time that follows.
  await new Promise(resolve => setTimeout(resolve, 500))
  type(':wq', 'Enter')
  await shows(/# *$/)
  await enter('clear; cat /tmp/note')
  await shows(/^written in vi$/m)
})

it('ends with Ctrl-D, and its status is the exit code', async () => {
  await enter('clear; PS1="seven> "; (exit 7)')
  await shows(/^seven> *$/m)
  await press('C-d', /^ended 7$/m)
})
