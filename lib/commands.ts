// The calls of a box that run something: `exec` and `sh`, which collect, and `spawn`. Called by `box.ts`; arguments are checked here,
// at once; `exec.ts` and `execution.ts` do the rest.
import { type NativeBox, settled } from './binding.js'
import { cancellable } from './cancellable.js'
import { arrayOf, type Check, checkArgument, passes, text, word } from './check.js'
import { type ExecResult, run } from './exec.js'
import { type Execution, makeExecution } from './execution.js'
import { checkExec, checkSpawn, type ExecOptions, execInput, type SpawnOptions } from './options/execution.js'
import { type Shell, type ShellValue, shellLine } from './sh.js'

const array: Check = { expected: 'an array', holds: Array.isArray }

const template: Check = {
  expected: 'a template',
  holds: value => Array.isArray(value) && Object.hasOwn(value, 'raw'),
}

/** Runs a command and collects its output. */
export async function exec(
  box: NativeBox,
  command: string,
  argsOrOptions?: readonly string[] | ExecOptions,
  maybeOptions?: ExecOptions,
): Promise<ExecResult<string | Buffer>> {
  const [args, given] = checkCommand('box.exec', command, argsOrOptions, maybeOptions)
  return await collect(box, command, args, checkExec('box.exec', given))
}

/** Starts a command and returns at once. */
export function spawn(
  box: NativeBox,
  command: string,
  argsOrOptions?: readonly string[] | SpawnOptions,
  maybeOptions?: SpawnOptions,
): Execution {
  const [args, given] = checkCommand('box.spawn', command, argsOrOptions, maybeOptions)
  const options = checkSpawn(given)
  const input = execInput(command, args, options)
  const start = async () => {
    // A signal cancels the start of the box too.
    if (options.signal) await cancellable('box.exec', options.signal, () => box.start())
    return await settled(box.spawn(input))
  }
  return makeExecution(start, options)
}

/** The function behind `box.sh`: a tag, or with options what gives one. */
export function shell(box: NativeBox): Shell {
  const runLine = async (line: TemplateStringsArray, values: ShellValue[], given: ExecOptions) => {
    const options = checkExec('box.sh', given)
    const command = shellLine(line, values, word => box.quote(word))
    checkArgument('box.sh', 'line', command, text)
    return await collect(box, '/bin/sh', ['-c', command], options, command)
  }
  return ((first: TemplateStringsArray & ExecOptions, ...values: ShellValue[]) =>
    passes(template, first)
      ? runLine(first, values, {})
      : (line: TemplateStringsArray, ...more: ShellValue[]) => runLine(line, more, first)) as Shell
}

function collect(box: NativeBox, command: string, args: readonly string[], options: ExecOptions, title?: string) {
  return run(box, execInput(command, args, { stdin: 'none', ...options }), options, title)
}

/** The arguments and options that are given. Arguments may be left out before options, as with Node's `child_process`. */
function checkCommand<T extends SpawnOptions>(
  operation: string,
  command: unknown,
  first: readonly string[] | T | undefined,
  second: T | undefined,
): [readonly string[], T | undefined] {
  const isOptions = second == null && !passes(array, first ?? [])
  const args = isOptions ? [] : ((first ?? []) as readonly string[])
  checkArgument(operation, 'command', command, text)
  checkArgument(operation, 'args', args, arrayOf(word, 'strings without NUL byte'))
  return [args, isOptions ? (first as T) : (second ?? undefined)]
}
