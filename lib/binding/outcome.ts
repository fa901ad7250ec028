// What every asynchronous call of the addon resolves with: a result or a failure, as a value.

export interface Failure {
  code: string
  message: string
  stage?: string
  hint?: string
  causes: string[]
  /** A refused file operation. */
  file?: { errno: number; syscall: string; path?: string; dest?: string; code?: string; reason?: string }
}

/** A result as a value. */
export interface Outcome<T> {
  ok?: T
  error?: Failure
}

export type Answer<T> = Promise<Outcome<T>>
