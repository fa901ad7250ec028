// Failures on purpose: runs something that must reject, and returns the error for a closer look.
import { expect } from 'vitest'
import { BoxliteError } from '../../index.mjs'

/** The BoxliteError of code `code` that `work` must reject with. */
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
