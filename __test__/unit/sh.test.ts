// The template of a shell line. That quoting is right is for the tests of `src/runtime`.
import { expect, test } from 'vitest'
import { shellLine } from '../../lib/sh.js'

const line = (parts: TemplateStringsArray, ...values: unknown[]) => shellLine(parts, values, word => `<${word}>`)

test('each value is quoted, of an array each item', () => {
  expect(line`head -n ${5} ${10n} ${['a', 'b c']} ${''}`).toBe('head -n <5> <10> <a> <b c> <>')
})

test('backslashes are the shell’s, but for the two escapes of JavaScript', () => {
  expect(line`a \n \$ \` \${x} \\`).toBe(`a \\n \\$ \` \${x} \\\\`)
})

test.each([undefined, null, {}, true, 'a\0b', [['a', {}]], Symbol('x')])('%o is refused', value => {
  expect(() => line`echo ${value}`).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }))
})
