// Runs something that must fail, and returns the error.
import { expect } from 'vitest'
import { BoxliteError } from '../../index.mjs'

/** Returns the BoxliteError of code `code` with which `work` must reject. */
export async function failure(work: Promise<unknown> | (() => unknown), code: string): Promise<BoxliteError> {
  let value: unknown
  try {
    value = await (typeof work === 'function' ? work() : work)
  } catch (error) {
    expect(error, String(error)).toBeInstanceOf(BoxliteError)
    const { code: found, message } = error as BoxliteError
    expect(found, message).toBe(code)
    return error as BoxliteError
  }
  throw new Error(`expected ${code}, but it resolved: ${JSON.stringify(value)}`)
}
