// `Runtime.doctor`: what this machine can do, and what would help. Called by `runtime.ts`; the native half does the looking.
import { type NativeDoctorReport, settled } from './binding.js'
import { BoxliteError } from './errors.js'
import type { Engine } from './info.js'
import { glibc, native } from './native.js'
import { checkRuntime, type RuntimeOptions, runtimeInput } from './options/runtime.js'

/** One finding of the doctor. */
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
  /** All findings. */
  checks: DoctorCheck[]
}

/** Examines this machine. A native half that can't be loaded is a finding too. */
export async function examine(options: RuntimeOptions | undefined): Promise<DoctorReport> {
  const input = runtimeInput(checkRuntime('Runtime.doctor', options))
  const library = glibcCheck(glibc())
  try {
    const { binding, parts } = native()
    return doctorReport(await settled(binding.doctor({ ...input, parts })), library)
  } catch (error) {
    if (!(error instanceof BoxliteError) || error.code !== 'PART_MISSING') throw error
    const check = { code: 'part_missing', ok: false, message: error.message, remedy: error.hint ?? null }
    return { ok: false, engine: null, accelerated: false, checks: [library, check] }
  }
}

/** The oldest glibc that the native part can be loaded with. */
const OLDEST_GLIBC = '2.34'

/** What is to be said of a C library: glibc's version, or `undefined` where it is another. */
export function glibcCheck(version: string | undefined): DoctorCheck {
  if (version === undefined) {
    const remedy = 'use a Linux with glibc, such as Debian; in Docker `node:20-slim`'
    return { code: 'glibc', ok: false, message: 'the C library is not glibc (Alpine has musl)', remedy }
  }
  const ok = version.localeCompare(OLDEST_GLIBC, 'en', { numeric: true }) >= 0
  const remedy = `use a newer distribution: Debian 12, Ubuntu 22.04, RHEL 9, or newer, have ${OLDEST_GLIBC} or more`
  return { code: 'glibc', ok, message: `glibc ${version}`, remedy: ok ? null : remedy }
}

function doctorReport(report: NativeDoctorReport, library: DoctorCheck): DoctorReport {
  const checks = report.checks.map(check => ({ ...check, remedy: check.remedy ?? null }))
  return { ...report, engine: (report.engine as Engine | undefined) ?? null, checks: [library, ...checks] }
}
