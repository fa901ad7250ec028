// `Commands`: the calls of a box that run something: `exec` and `sh`, which collect, and `spawn`. Made by `box.ts`; arguments are
// checked here, at once; `exec.ts` and `execution.ts` do the rest.
import { type NativeBox, settled } from './binding.js'
import { arrayOf, checkArgument, text, word } from './check.js'
import { type ExecResult, run } from './exec.js'
import { type Execution, makeExecution } from './execution.js'
import { checkExec, checkSpawn, type ExecOptions, execInput, type SpawnOptions } from './options.js'
import { type Shell, type ShellValue, shellLine } from './sh.js'
import { started } from './start.js'

export class Commands {
  #native: NativeBox

  constructor(native: NativeBox) {
    this.#native = native
  }

  async exec(
    command: string,
    argsOrOptions?: readonly string[] | ExecOptions,
    maybeOptions?: ExecOptions,
  ): Promise<ExecResult<string | Buffer>> {
    const [args, given] = sorted(argsOrOptions, maybeOptions)
    checkCommand('box.exec', command, args)
    const options = checkExec('box.exec', given)
    return await this.#collect(command, args, options)
  }

  spawn(command: string, argsOrOptions?: readonly string[] | SpawnOptions, maybeOptions?: SpawnOptions): Execution {
    const [args, given] = sorted(argsOrOptions, maybeOptions)
    checkCommand('box.spawn', command, args)
    return this.#start(command, args, checkSpawn(given))
  }

  /** The function behind `box.sh`: a tag, or with options what gives one. */
  shell(): Shell {
    return ((first: TemplateStringsArray | ExecOptions, ...values: ShellValue[]) =>
      isTemplate(first)
        ? this.#line(first, values, {})
        : (line: TemplateStringsArray, ...more: ShellValue[]) => this.#line(line, more, first)) as Shell
  }

  async #line(line: TemplateStringsArray, values: ShellValue[], given: ExecOptions) {
    const options = checkExec('box.sh', given)
    const command = shellLine(line, values, word => this.#native.quote(word))
    checkArgument('box.sh', 'line', command, text)
    return await this.#collect('/bin/sh', ['-c', command], options, command)
  }

  #collect(command: string, args: readonly string[], options: ExecOptions, title?: string) {
    const { stdin = 'none' } = options
    return run(this.#native, execInput(command, args, { ...options, stdin }), options, title)
  }

  #start(command: string, args: readonly string[], options: SpawnOptions): Execution {
    const input = execInput(command, args, options)
    const start = async () => {
      // A signal cancels the start of the box too.
      if (options.signal) await started(this.#native, 'box.exec', options)
      return await settled(this.#native.spawn(input))
    }
    return makeExecution(start, options)
  }
}

/** Arguments may be left out before options, as with Node's `child_process`. */
function sorted<T extends SpawnOptions>(
  first: readonly string[] | T | undefined,
  second: T | undefined,
): [readonly string[], T] {
  const args = first ?? []
  if (second == null && !isArray(args)) return [[], args]
  return [args as readonly string[], second ?? ({} as T)]
}

function isArray(value: unknown): value is readonly unknown[] {
  return tried(() => Array.isArray(value))
}

/** Returns `false` for a proxy that throws or was revoked. */
function tried(check: () => boolean): boolean {
  try {
    return check()
  } catch {
    return false
  }
}

function checkCommand(operation: string, command: unknown, args: unknown): void {
  checkArgument(operation, 'command', command, text)
  checkArgument(operation, 'args', args, arrayOf(word, 'strings without NUL byte'))
}

function isTemplate(value: unknown): value is TemplateStringsArray {
  return tried(() => Array.isArray(value) && Object.hasOwn(value, 'raw'))
}
