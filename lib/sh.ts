// `box.sh`: a shell line as a template, whose values the native half quotes. Called by `commands.ts`.
import { arrayOf, type Check, checkArgument } from './check.js'
import type { ExecResult } from './exec.js'
import type { ExecOptions } from './options/execution.js'

/** A value for a shell line: it becomes one word, an array one word for each item. */
export type ShellValue = string | number | bigint | readonly (string | number | bigint)[]

/** The template tag `` box.sh`…` ``; called with options it returns a tag that uses them. */
export interface Shell {
  /**
   * Runs a line with `/bin/sh -c`. Each value is quoted, so that it reaches the command as it is, whatever it contains.
   * Backslashes reach the shell as you write them; only `` \` `` and `\${` mean `` ` `` and `${`.
   *
   * @example
   * ```ts
   * const { stdout } = await box.sh`ls -l ${directory} | wc -l`
   * await box.sh({ cwd: '/src', check: true })`make ${targets}`
   * ```
   */
  (line: TemplateStringsArray, ...values: ShellValue[]): Promise<ExecResult>
  /** The tag with these options, `encoding: 'buffer'` collecting bytes. */
  (
    options: ExecOptions & { encoding: 'buffer' },
  ): (line: TemplateStringsArray, ...values: ShellValue[]) => Promise<ExecResult<Buffer>>
  /** The tag with these options. */
  (options: ExecOptions): (line: TemplateStringsArray, ...values: ShellValue[]) => Promise<ExecResult>
}

/** The line of a template; `quote` makes a value one word of it. */
export function shellLine(
  line: TemplateStringsArray,
  values: readonly unknown[],
  quote: (word: string) => string,
): string {
  return line.raw
    .map((part, index) => unescaped(part) + (index < values.length ? quotedWords(values[index], quote) : ''))
    .join('')
}

/** Undoes the two escapes that JavaScript demands in a template; every other backslash is the shell's. */
function unescaped(part: string): string {
  return part.replace(/\\(\$\{|[\s\S])/g, (pair, escaped: string) => (/^(`|\$\{)$/.test(escaped) ? escaped : pair))
}

const word: Check = {
  expected: 'a string without NUL byte, a number or an array of those',
  holds: value =>
    typeof value === 'number' || typeof value === 'bigint' || (typeof value === 'string' && !value.includes('\0')),
}

const words: Check = {
  expected: word.expected,
  holds: value => word.holds(value) || arrayOf(word, '').holds(value),
}

/** Of an array one word for each item. */
function quotedWords(value: unknown, quote: (word: string) => string): string {
  checkArgument('box.sh', 'value', value, words)
  const quoted = (word: unknown) => quote(String(word))
  return Array.isArray(value) ? value.map(quoted).join(' ') : quoted(value)
}
