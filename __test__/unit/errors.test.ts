// Error classes and codes: one list in Rust, one here, and what a person sees of an error.
import { readFileSync } from 'node:fs'
import { inspect } from 'node:util'
import { expect, test } from 'vitest'
import { BoxError, BoxliteError, CODES, ExecutionError, errorFrom, InvalidArgumentError } from '../../lib/errors.js'
import * as classes from '../../lib/index.js'

const RUST = new URL('../../src/error/code.rs', import.meta.url)

test('Rust and TypeScript have the same codes, in both directions', () => {
  const rows = readFileSync(RUST, 'utf8').matchAll(/^ {8}\w+ = "([A-Z_]+)",$/gm)
  const rust = Array.from(rows, ([, code]) => code)
  expect(rust.length).toBeGreaterThan(30)
  expect(Object.keys(CODES)).toEqual(rust)
})

test.each(Object.entries(CODES))('%s arrives as a %s', (code, className) => {
  const error = errorFrom({ code, message: 'm', causes: [] })
  expect(error).toBeInstanceOf(Reflect.get(classes, className))
  expect(error).toBeInstanceOf(BoxliteError)
  expect(error).toBeInstanceOf(Error)
  expect([error.code, error.name, error.message]).toEqual([
    code,
    ['ABORTED', 'IMAGE_CANCELLED'].includes(code) ? 'AbortError' : className,
    'm',
  ])
})

test('the causes become a chain', () => {
  const error = errorFrom({ code: 'RPC', message: 'm', causes: ['a', 'b'] })
  expect((error.cause as Error).message).toBe('a')
  expect(((error.cause as Error).cause as Error).message).toBe('b')
})

test('an uncaught error shows message, code, hint and causes', () => {
  const shown = inspect(
    errorFrom({
      code: 'BOX_NOT_FOUND',
      message: 'get box `web`: no such box',
      hint: 'list the boxes',
      causes: ['disk went away'],
    }),
  )
  expect(shown).toMatch(/^BoxError: get box `web`: no such box\n {4}at /)
  expect(shown).toContain("code: 'BOX_NOT_FOUND'")
  expect(shown).toContain("hint: 'list the boxes'")
  expect(shown).toContain('[cause]: [Error: disk went away]')
  expect(shown).not.toContain('stage')
})

test('as a string it has its code and hint', () => {
  expect(String(new BoxError('BOX_STATE', 'm'))).toBe('BoxError [BOX_STATE]: m')
  expect(String(new InvalidArgumentError('m', { hint: 'h' }))).toBe(
    'InvalidArgumentError [INVALID_ARGUMENT]: m\n  hint: h',
  )
})

test('output that an error carries is not printed', () => {
  const error = new ExecutionError('EXEC_NON_ZERO', 'm', { exitCode: 1, stdout: 'printed-and-hidden' })
  expect(error.stdout).toBe('printed-and-hidden')
  expect(inspect(error)).not.toContain('printed-and-hidden')
})

test('docs/api.md has the same table of codes', () => {
  const page = readFileSync(new URL('../../docs/api.md', import.meta.url), 'utf8')
  const rows = Array.from(page.matchAll(/^\| `(\w+Error)` \| (.*) \|$/gm), ([, className, codes]) =>
    (codes?.match(/[A-Z_]+/g) ?? []).map(code => [code, className]),
  )
  expect(Object.fromEntries(rows.flat())).toEqual(CODES)
})
