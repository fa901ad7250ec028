// Quoting: whatever the value, the shell hands the command exactly that.
import { execFileSync } from 'node:child_process'
import { expect, test } from 'vitest'
import { shellLine } from '../../lib/sh.js'

const line = (parts: TemplateStringsArray, ...values: unknown[]) => shellLine(parts, values)
/** The arguments that a command gets, as the shell of this machine splits them. */
const words = (text: string) => execFileSync('/bin/sh', ['-c', text], { encoding: 'utf8' }).split('\0').slice(0, -1)

test('random strings reach the command unchanged', () => {
  let seed = 7
  const random = (below: number) => {
    seed = (seed * 48_271) % 2_147_483_647
    return seed % below
  }
  const alphabet = [...'ab \t\n\'"`$\\!*?[]{}()<>|&;#~=%-+,./:@^_', '€', '𝒳', '\x01', '\x7f', "''", '$(id)', '\\\n']
  const values = Array.from({ length: 400 }, () =>
    Array.from({ length: random(12) }, () => alphabet[random(alphabet.length)]).join(''),
  )
  expect(words(line`printf '%s\0' ${values}`)).toEqual(values)
})

test('the empty string is a word of its own', () => {
  expect(words(line`printf '%s\0' ${''} ${['a', '']}`)).toEqual(['', 'a', ''])
})

test('numbers are themselves', () => {
  expect(line`head -n ${5} ${10n}`).toBe('head -n 5 10')
})

test('backslashes are the shell’s, but for the two escapes of JavaScript', () => {
  expect(line`a \n \$ \` \${x} \\`).toBe(`a \\n \\$ \` \${x} \\\\`)
})

test.each([undefined, null, {}, true, 'a\0b', [['a', {}]], Symbol('x')])('%o is refused', value => {
  expect(() => line`echo ${value}`).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }))
})
