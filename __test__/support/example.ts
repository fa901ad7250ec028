// Runs a TypeScript program as a user would after compiling it: types stripped, `await using` lowered, in a Node of its own.
import { stop, transform } from 'esbuild'
import { type CommandResult, capture } from '../../scripts/command.mjs'

export interface Surroundings {
  /** Where `@boxlite/node` is looked up. */
  cwd: string
  env: NodeJS.ProcessEnv
}

/** Runs `source` with `args`; the program sees them from `process.argv[2]` on. */
export async function runExample(source: string, args: string[], { cwd, env }: Surroundings): Promise<CommandResult> {
  const { code } = await transform(source, { loader: 'ts', format: 'esm', target: 'node20' })
  await stop()
  return capture(process.execPath, ['--input-type=module', '-', ...args], { cwd, env, input: code, timeoutMs: 120_000 })
}
