// Runs other programs: with their output captured (`capture`), or on our own streams (`passThrough`). Used by every script that
// calls cargo, npm, apt-get or the lab. Neither function throws on a non-zero status; the caller decides what it means.
import { spawn } from 'node:child_process'
import { constants } from 'node:os'

/**
 * @typedef {{ cwd?: string, env?: NodeJS.ProcessEnv, input?: string, onLine?: (line: string) => void, timeoutMs?: number }}
 * CommandOptions
 */
/**
 * @typedef {{ status: number, output: string, stdout: string }} CommandResult `status` as in a shell: 127 if not found, 128+n after
 * signal n
 */

/**
 * Runs `command` and collects its standard output, and its standard output and error together in the order of their arrival.
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
    const receive = text => {
      output += text
      if (!options.onLine) return
      const lines = (rest + text).split('\n')
      rest = lines.pop() ?? ''
      for (const line of lines) options.onLine(line)
    }
    child.stdout?.setEncoding('utf8').on('data', text => {
      stdout += text
      receive(text)
    })
    child.stderr?.setEncoding('utf8').on('data', receive)
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

/** Returns the status that a shell would report. @param {number | null} code @param {string | null} signal */
export function statusOf(code, signal) {
  return code ?? 128 + (constants.signals[/** @type {NodeJS.Signals} */ (signal)] ?? 0)
}
