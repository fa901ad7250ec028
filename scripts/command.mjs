// Running other programs: to the end with their output captured (`capture`), or with our own streams (`passThrough`).
// Used by every script that calls cargo, npm, apt-get or a lab. Neither throws on a non-zero status; callers decide.
import { spawn } from 'node:child_process'
import { constants } from 'node:os'

/** @typedef {{ cwd?: string, env?: NodeJS.ProcessEnv, input?: string, onLine?: (line: string) => void, timeoutMs?: number }} CommandOptions */
/** @typedef {{ status: number, output: string, stdout: string }} CommandResult status as a shell tells it: 127 not found, 128+n signal */

/**
 * Runs `command` and collects what it prints: `stdout` alone, and `output` with standard error mixed in as it came.
 * @param {string} command @param {string[]} args @param {CommandOptions} [options]
 * @returns {Promise<CommandResult>}
 */
export function capture(command, args, options = {}) {
  return new Promise(done => {
    const child = spawn(command, args, {
      cwd: options.cwd,
      env: options.env ?? process.env,
      stdio: [options.input === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'],
      timeout: options.timeoutMs,
      killSignal: 'SIGKILL',
    })
    let output = ''
    let stdout = ''
    let rest = ''
    /** @param {string} text */
    const take = text => {
      output += text
      if (!options.onLine) return
      const lines = (rest + text).split('\n')
      rest = lines.pop() ?? ''
      for (const line of lines) options.onLine(line)
    }
    child.stdout?.setEncoding('utf8').on('data', text => {
      stdout += text
      take(text)
    })
    child.stderr?.setEncoding('utf8').on('data', take)
    child.stdin?.on('error', () => {})
    child.stdin?.end(options.input)
    child.on('error', error => done({ status: 127, output: `${command}: ${error.message}\n`, stdout: '' }))
    child.on('close', (code, signal) => {
      if (rest && options.onLine) options.onLine(rest)
      done({ status: statusOf(code, signal), output, stdout })
    })
  })
}

/**
 * Runs `command` on our own terminal.
 * @param {string} command @param {string[]} args @param {{ cwd?: string, env?: NodeJS.ProcessEnv }} [options]
 * @returns {Promise<number>} its status
 */
export function passThrough(command, args, options = {}) {
  return new Promise(done => {
    const child = spawn(command, args, { ...options, stdio: 'inherit' })
    child.on('error', () => done(127))
    child.on('close', (code, signal) => done(statusOf(code, signal)))
  })
}

/** An ending as a shell tells it. @param {number | null} code @param {string | null} signal */
export function statusOf(code, signal) {
  return code ?? 128 + (constants.signals[/** @type {NodeJS.Signals} */ (signal)] ?? 0)
}
