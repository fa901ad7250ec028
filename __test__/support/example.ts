// Runs a TypeScript program as a user would after compiling it: types stripped, `await using` lowered, in a Node of its own.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { stop, transform } from 'esbuild'
import { type CommandResult, capture } from '../../scripts/command.mjs'
import { root } from '../../scripts/paths.mjs'

/** The example that the README prints. */
export const printed = /```ts\n([\s\S]*?)```/.exec(readFileSync(join(root, 'README.md'), 'utf8'))?.[1] ?? ''

export interface Surroundings {
  /** Where `@boxlite/node` is looked up. */
  cwd: string
  env: NodeJS.ProcessEnv
  /** Whether its streams are a terminal. */
  tty?: boolean
}

/** Runs `source` with `args`; the program sees them from `process.argv[2]` on. */
export async function runExample(source: string, args: string[], surroundings: Surroundings): Promise<CommandResult> {
  const { cwd, env, tty = false } = surroundings
  const { code } = await transform(source, { loader: 'ts', format: 'esm', target: 'node20' })
  await stop()
  const node = [process.execPath, '--input-type=module', '-', ...args]
  if (!tty) return capture(process.execPath, node.slice(1), { cwd, env, input: code, timeoutMs: 120_000 })
  // script(1) is a terminal; the program comes from a file, since standard input is that terminal.
  const folder = mkdtempSync(join(env.TMPDIR ?? '/tmp', 'example-'))
  try {
    writeFileSync(join(folder, 'program'), code)
    const words = node.map(word => `'${word}'`).join(' ')
    const command = `${words} < '${join(folder, 'program')}'`
    return await capture('script', ['-qec', command, '/dev/null'], { cwd, env, timeoutMs: 120_000 })
  } finally {
    rmSync(folder, { recursive: true })
  }
}
