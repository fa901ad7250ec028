// `box.exec`: runs a command and collects its output. Called by `box.ts` and `sh.ts`, reads an `Execution`'s events.
import { ExecutionError, raised } from './errors.js'
import type { Execution } from './execution.js'
import type { ExecOptions } from './options.js'
import type { ExitStatus } from './output.js'

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

const MAX_BUFFER = 67_108_864

/** Collects an execution nobody else reads. */
export async function collect(
  execution: Execution,
  command: string,
  options: ExecOptions,
): Promise<ExecResult<string | Buffer>> {
  const { encoding = 'utf8', maxBuffer = MAX_BUFFER } = options
  const output = { stdout: new Collected(maxBuffer), stderr: new Collected(maxBuffer) }
  const collected = () => ({ stdout: output.stdout.take(encoding), stderr: output.stderr.take(encoding) })
  let status: ExitStatus | undefined
  try {
    for await (const event of execution) {
      if (event.type === 'exit') {
        status = event
      } else if (!output[event.type].add(event.data)) {
        await execution[Symbol.asyncDispose]()
        throw new ExecutionError(
          'EXEC_MAX_BUFFER',
          `command \`${command}\`: ${event.type} exceeds ${maxBuffer} bytes`,
          {
            hint: 'raise `maxBuffer`, or read the output as it comes with box.spawn()',
          },
        )
      }
    }
  } catch (error) {
    throw withOutput(raised(error), collected())
  }
  if (status === undefined) throw new ExecutionError('EXEC_FAILED', `command \`${command}\`: no exit status`)
  const { exitCode, signal, timedOut, oomKilled } = status
  const result = { exitCode, signal, oomKilled, ...collected() }
  if (timedOut) {
    const message = `command \`${command}\`: ran longer than ${options.timeoutMs} ms`
    throw new ExecutionError('EXEC_TIMEOUT', message, { ...result, hint: 'raise `timeoutMs`, or leave it out' })
  }
  if (options.check && exitCode !== 0) {
    throw new ExecutionError('EXEC_NON_ZERO', `command \`${command}\`: ${ending(result)}`, result)
  }
  return result
}

/** The output of one stream, up to a bound. */
class Collected {
  #chunks: Buffer[] = []
  #length = 0
  #max: number

  constructor(max: number) {
    this.#max = max
  }

  /** Returns whether it fitted; what fits of it is kept. */
  add(data: Buffer): boolean {
    const room = this.#max - this.#length
    this.#chunks.push(data.length > room ? data.subarray(0, room) : data)
    this.#length += Math.min(data.length, room)
    return data.length <= room
  }

  take(encoding: 'utf8' | 'buffer'): string | Buffer {
    const bytes = this.#chunks.length === 1 && this.#chunks[0] ? this.#chunks[0] : Buffer.concat(this.#chunks)
    return encoding === 'buffer' ? bytes : bytes.toString('utf8')
  }
}

/** Adds the output so far to an error of the execution; others pass as they are. */
function withOutput(error: unknown, output: { stdout: string | Buffer; stderr: string | Buffer }): unknown {
  if (!(error instanceof ExecutionError)) return error
  for (const [key, value] of Object.entries(output)) Object.defineProperty(error, key, { value, enumerable: false })
  return error
}

/** How it ended and the last thing that it said, which is most often why. */
function ending({ exitCode, signal, oomKilled, stderr }: ExecResult<string | Buffer>): string {
  const how =
    signal === null ? `exited with code ${exitCode}` : `ended by ${signal}${oomKilled ? ', out of memory' : ''}`
  const last = stderr.toString().trimEnd().split('\n').at(-1)?.trim().slice(0, 200)
  return last ? `${how}: ${last}` : how
}
