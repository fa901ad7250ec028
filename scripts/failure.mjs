// A failure that is printed without a stack trace: what went wrong and what to do about it. Thrown by the scripts. Each script's
// main function runs in `runScript`, which turns a Failure or a BoxliteError into text and an exit status.
import { realpathSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { say } from './progress.mjs'

export class Failure extends Error {
  /** @param {string} message @param {string} [hint] @param {number} [status] */
  constructor(message, hint, status = 1) {
    super(message)
    this.hint = hint
    this.status = status
  }
}

/**
 * Runs `main` if the module with this `meta` is the program that Node was started with, and not an imported module.
 * @param {ImportMeta} meta @param {() => Promise<number | void>} main returns the exit status; nothing means 0
 */
export async function runScript(meta, main) {
  if (!process.argv[1] || realpathSync(process.argv[1]) !== fileURLToPath(meta.url)) return
  try {
    process.exitCode = (await main()) ?? 0
  } catch (error) {
    process.exitCode = explain(error)
  }
}

/** The statuses of a shell for a command that it can't start. @type {Record<string, number>} */
const STATUS = { COMMAND_NOT_FOUND: 127, COMMAND_NOT_EXECUTABLE: 126 }

/** Prints `error` and returns the status to exit with. @param {any} error */
export function explain(error) {
  if (!(error instanceof Failure) && typeof error?.code !== 'string') {
    console.error(error)
    return 1
  }
  say(`error: ${error.message}${error.code ? ` [${error.code}]` : ''}`)
  for (let cause = error.cause; cause; cause = cause.cause) say(`  because: ${cause.message ?? cause}`)
  if (error.hint) say(`  hint: ${error.hint}`)
  return error.status ?? STATUS[error.code] ?? 1
}
