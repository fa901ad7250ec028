// `box.exec`: runs a command and gives what it wrote. Called by `commands.ts`; the native half collects the output, this file
// feeds the input, heeds the signal and decodes the result.
import { onAbort } from './abort.js'
import { type ExecInput, type NativeBox, type NativeCollected, settled } from './binding.js'
import { ExecutionError, errorFrom, raised } from './errors.js'
import { abortedExecution } from './execution.js'
import type { ExecOptions } from './options/execution.js'
import { exitStatus } from './output.js'
import { preparedInput, Stdin } from './stdin.js'

/** What came of a command. `T` is `string`, or `Buffer` with `encoding: 'buffer'`. */
export interface ExecResult<T extends string | Buffer = string> {
  /** The exit code; `null` where a signal ended the process. */
  exitCode: number | null
  /** The signal that ended the process, such as `'SIGKILL'`; `null` where it exited by itself. */
  signal: string | null
  /** Whether the kernel of the box ended the process for want of memory. */
  oomKilled: boolean
  /** All of its standard output (with a terminal, of its standard error too). */
  stdout: T
  /** All of its standard error. */
  stderr: T
}

const NOTHING = Buffer.alloc(0)

/** Runs a command and collects its output. Messages call it `title` where that is not its own name. */
export async function run(
  box: NativeBox,
  input: ExecInput,
  options: ExecOptions,
  title?: string,
): Promise<ExecResult<string | Buffer>> {
  const { check, maxBuffer, stdin = 'none', signal } = options
  const collect = check || maxBuffer !== undefined || title !== undefined ? { check, maxBuffer, title } : undefined
  if (stdin === 'none' && signal === undefined) return resultOf(await settled(box.exec(input, collect)), options)
  const feed = preparedInput(stdin)
  if (signal?.aborted) throw withOutput(abortedExecution(signal), {}, options)
  const command = box.command(input, collect)
  let reason: Error | undefined
  const cancel = (error: Error) => {
    reason ??= error
    command.cancel()
  }
  const forget = onAbort(signal, () => signal && cancel(abortedExecution(signal)))
  const running = settled(command.run())
  const pipe = feed === 'none' ? undefined : new Stdin(Promise.resolve(command), cancel)
  if (feed !== 'none' && pipe !== undefined) feed(pipe, cancel)
  try {
    return resultOf(await running, options, reason)
  } finally {
    forget()
    pipe?.destroy()
  }
}

/** What the caller gets. What failed is thrown, with the output so far; of a command that was cancelled it is the reason. */
function resultOf(collected: NativeCollected, options: ExecOptions, reason?: Error): ExecResult<string | Buffer> {
  const { exit, error } = collected
  if (error === undefined) {
    const { exitCode, signal, oomKilled } = exitStatus(exit)
    return { exitCode, signal, oomKilled, ...decoded(collected, options) }
  }
  throw raised(withOutput((error.code === 'ABORTED' && reason) || errorFrom(error), collected, options))
}

function decoded({ stdout = NOTHING, stderr = NOTHING }: NativeCollected, { encoding }: ExecOptions) {
  if (encoding === 'buffer') return { stdout, stderr }
  return { stdout: stdout.toString('utf8'), stderr: stderr.toString('utf8') }
}

/** Adds the output so far and the end to an error of the execution; others pass as they are. */
function withOutput(error: Error, collected: NativeCollected, options: ExecOptions): Error {
  if (!(error instanceof ExecutionError)) return error
  if (collected.exit !== undefined) {
    const { exitCode, signal } = exitStatus(collected.exit)
    Object.assign(error, { exitCode, signal })
  }
  for (const [key, value] of Object.entries(decoded(collected, options))) {
    Object.defineProperty(error, key, { value, enumerable: false, configurable: true, writable: true })
  }
  return error
}
