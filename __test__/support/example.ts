// Runs a TypeScript program in a Node process of its own, with types stripped and `await using` lowered, as a user's compiler does.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { stop, transform } from 'esbuild'
import { type CommandResult, capture } from '../../scripts/command.mjs'
import { root } from '../../scripts/paths.mjs'

/** The example in the README. */
export const printed = /```ts\n([\s\S]*?)```/.exec(readFileSync(join(root, 'README.md'), 'utf8'))?.[1] ?? ''

export interface Surroundings {
  /** The folder from which `@boxlite/node` is resolved. */
  cwd: string
  env: NodeJS.ProcessEnv
  /** Whether its standard streams are a terminal. */
  tty?: boolean
  /** A command that executes it, with its options, such as `internet.through`. It has no terminal then. */
  through?: string[]
}

/** Runs `source` with `args`, which begin at `process.argv[2]`. */
export async function runExample(source: string, args: string[], surroundings: Surroundings): Promise<CommandResult> {
  const { cwd, env, tty = false, through = [] } = surroundings
  const { code } = await transform(source, { loader: 'ts', format: 'esm', target: 'node20' })
  await stop()
  const node = [process.execPath, '--input-type=module', '-', ...args]
  // What enters another mount namespace begins in its root folder.
  const [program = '', ...rest] = through.length > 0 ? [...through, 'env', '-C', cwd, ...node] : node
  if (!tty) return capture(program, rest, { cwd, env, input: code, timeoutMs: 300_000 })
  // script(1) provides the terminal. The program is read from a file, since standard input is the terminal.
  const folder = mkdtempSync(join(env.TMPDIR ?? '/tmp', 'example-'))
  try {
    writeFileSync(join(folder, 'program'), code)
    const quoted = node.map(argument => `'${argument}'`).join(' ')
    const command = `${quoted} < '${join(folder, 'program')}'`
    return await capture('script', ['-qec', command, '/dev/null'], { cwd, env, timeoutMs: 120_000 })
  } finally {
    rmSync(folder, { recursive: true })
  }
}
