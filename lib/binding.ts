// The face of the native addon as `src/addon` makes it: every promise resolves with an `Outcome`, never rejects.
// Loaded by `native.ts`, faked by the unit tests, used by the classes of the same noun; one file for each noun.
import type { Answer } from './binding/outcome.js'
import type { NativeRuntime, RuntimeInput } from './binding/runtime.js'
import { errorFrom } from './errors.js'

export type * from './binding/box.js'
export type * from './binding/event.js'
export type * from './binding/execution.js'
export type * from './binding/files.js'
export type * from './binding/image.js'
export type * from './binding/observation.js'
export type * from './binding/outcome.js'
export type * from './binding/port.js'
export type * from './binding/runtime.js'

export interface Binding {
  version(): string
  open(options: RuntimeInput): Answer<NativeRuntime>
  doctor(options: RuntimeInput): Answer<NativeDoctorReport>
}

export interface NativeDoctorReport {
  ok: boolean
  engine?: string
  accelerated: boolean
  checks: { code: string; ok: boolean; message: string; remedy?: string }[]
}

/** The value of an answer, or its error thrown. */
export async function settled<T>(answer: Answer<T>): Promise<T> {
  const { ok, error } = await answer
  if (error !== undefined) throw errorFrom(error)
  return ok as T
}
