// `Runtime.doctor`: what this machine can do, and what would help. Called by `runtime.ts`; the native half does the looking.
import { type NativeDoctorReport, settled } from './binding.js'
import { BoxliteError } from './errors.js'
import type { Engine } from './info.js'
import { native } from './native.js'
import { type RuntimeOptions, runtimeInput } from './options.js'

/** One thing that the doctor looked at. */
export interface DoctorCheck {
  /** Its stable name, such as `kvm_absent`. */
  code: string
  /** Whether it is as it should be. */
  ok: boolean
  /** What was found. */
  message: string
  /** What to do about it; `null` where there is nothing to do. */
  remedy: string | null
}

/** What this machine can do. */
export interface DoctorReport {
  /** Whether a box can run here. */
  ok: boolean
  /** The engine that would run it, else `null`. */
  engine: Engine | null
  /** Whether it would run on hardware virtualisation. */
  accelerated: boolean
  /** What was looked at. */
  checks: DoctorCheck[]
}

/** Examines this machine. A native half that can't be loaded is a finding too. */
export async function examine(options: RuntimeOptions | undefined): Promise<DoctorReport> {
  const input = runtimeInput('Runtime.doctor', options)
  try {
    const { binding, parts } = native()
    return doctorReport(await settled(binding.doctor({ ...input, parts })))
  } catch (error) {
    if (!(error instanceof BoxliteError) || error.code !== 'PART_MISSING') throw error
    const check = { code: 'part_missing', ok: false, message: error.message, remedy: error.hint ?? null }
    return { ok: false, engine: null, accelerated: false, checks: [check] }
  }
}

function doctorReport({ ok, engine, accelerated, checks }: NativeDoctorReport): DoctorReport {
  return {
    ok,
    engine: (engine as Engine | undefined) ?? null,
    accelerated,
    checks: checks.map(check => ({ ...check, remedy: check.remedy ?? null })),
  }
}
