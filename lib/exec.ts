// `box.exec`: runs a command and collects its output. Called by `box.ts`; has the addon collect it, or reads an `Execution`'s
// events where there is input to write or a signal to heed meanwhile.
import { type ExecInput, type NativeBox, settled } from './binding.js'
import { ExecutionError, raised } from './errors.js'
import type { Execution } from './execution.js'
import type { ExecOptions } from './options.js'
import { type ExitStatus, exitStatus } from './output.js'

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

/** What a command left, whoever collected it. */
interface Collected {
  stdout: Buffer
  stderr: Buffer
  /** Not there if a stream was too long, which `exceeded` then names. */
  status: ExitStatus | undefined
  exceeded: 'stdout' | 'stderr' | undefined
}

const NOTHING = Buffer.alloc(0)

/**
 * Runs a command whose output nobody reads on the way: the addon collects it, in one call. `shown` is the command in messages.
 * A command with input, or that can be aborted, takes {@link collect}.
 */
export async function run(
  box: NativeBox,
  input: ExecInput,
  shown: string,
  options: ExecOptions,
): Promise<ExecResult<string | Buffer>> {
  let collected: Collected
  try {
    const { stdout, stderr, exit, exceeded } = await settled(box.exec(input, options.maxBuffer ?? MAX_BUFFER))
    collected = { stdout: stdout ?? NOTHING, stderr: stderr ?? NOTHING, status: exit && exitStatus(exit), exceeded }
  } catch (error) {
    throw withOutput(raised(error), decoded({ stdout: NOTHING, stderr: NOTHING }, options))
  }
  return resultOf(collected, shown, options)
}

/** Collects an execution nobody else reads. */
export async function collect(
  execution: Execution,
  shown: string,
  options: ExecOptions,
): Promise<ExecResult<string | Buffer>> {
  const { maxBuffer = MAX_BUFFER } = options
  const output = { stdout: new Gathered(maxBuffer), stderr: new Gathered(maxBuffer) }
  const taken = () => ({ stdout: output.stdout.take(), stderr: output.stderr.take() })
  let status: ExitStatus | undefined
  let exceeded: 'stdout' | 'stderr' | undefined
  try {
    for await (const event of execution) {
      if (event.type === 'exit') {
        status = event
      } else if (!output[event.type].add(event.data)) {
        exceeded = event.type
        await execution[Symbol.asyncDispose]()
        break
      }
    }
  } catch (error) {
    throw withOutput(raised(error), decoded(taken(), options))
  }
  return resultOf({ ...taken(), status, exceeded }, shown, options)
}

/** What the caller gets, or the error that its options make of it. */
function resultOf({ status, exceeded, ...output }: Collected, shown: string, options: ExecOptions) {
  const { stdout, stderr } = decoded(output, options)
  if (exceeded !== undefined) {
    const message = `command \`${shown}\`: ${exceeded} exceeds ${options.maxBuffer ?? MAX_BUFFER} bytes`
    const hint = 'raise `maxBuffer`, or read the output as it comes with box.spawn()'
    throw new ExecutionError('EXEC_MAX_BUFFER', message, { stdout, stderr, hint })
  }
  if (status === undefined) throw new ExecutionError('EXEC_FAILED', `command \`${shown}\`: no exit status`)
  const { exitCode, signal, timedOut, oomKilled } = status
  const result = { exitCode, signal, oomKilled, stdout, stderr }
  if (timedOut) {
    const message = `command \`${shown}\`: ran longer than ${options.timeoutMs} ms`
    throw new ExecutionError('EXEC_TIMEOUT', message, { ...result, hint: 'raise `timeoutMs`, or leave it out' })
  }
  if (options.check && exitCode !== 0) {
    throw new ExecutionError('EXEC_NON_ZERO', `command \`${shown}\`: ${ending(result)}`, result)
  }
  return result
}

function decoded<T extends { stdout: Buffer; stderr: Buffer }>({ stdout, stderr }: T, { encoding }: ExecOptions) {
  if (encoding === 'buffer') return { stdout, stderr }
  return { stdout: stdout.toString('utf8'), stderr: stderr.toString('utf8') }
}

/** The output of one stream, up to a bound. */
class Gathered {
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

  take(): Buffer {
    return this.#chunks.length === 1 && this.#chunks[0] ? this.#chunks[0] : Buffer.concat(this.#chunks)
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
