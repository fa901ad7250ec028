// One run of the host process: starts it, reads its reports, and kills it. Called by round.mjs; runs host.mjs.
import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { killNow, qemuOf, shimOf } from './processes.mjs'

const program = fileURLToPath(new URL('host.mjs', import.meta.url))

/** How long to wait for a report: a start under emulation on a busy machine takes long. */
const TIMEOUT_MS = 60_000

/** @typedef {'host' | 'shim' | 'qemu' | 'all'} Outside the victims that a signal can reach */

export class Life {
  /** Every reported line, in order. @type {string[]} */
  lines = []
  /** The box, once it is known. @type {string | undefined} */
  box
  /** The status or signal with which the process has ended. @type {string | undefined} */
  ended
  #child
  /** @type {Set<() => void>} */
  #waiting = new Set()
  #errors = ''

  /** @param {object} order the argument of host.mjs @param {NodeJS.ProcessEnv} env */
  constructor(order, env) {
    this.#child = spawn(process.execPath, [program, JSON.stringify(order)], { env, stdio: ['pipe', 'pipe', 'pipe'] })
    this.#child.stdin.on('error', () => {})
    this.#child.stderr.setEncoding('utf8').on('data', text => {
      this.#errors = (this.#errors + text).slice(-4000)
    })
    createInterface({ input: this.#child.stdout }).on('line', line => {
      this.lines.push(line)
      if (line.startsWith('box ')) this.box = line.slice(4)
      this.#wake()
    })
    this.#child.on('close', (code, signal) => {
      this.ended = signal ?? `${code}`
      this.#wake()
    })
  }

  #wake() {
    for (const waiter of this.#waiting) waiter()
  }

  /** Returns the reports of one kind, without the kind. @param {string} kind */
  reports(kind) {
    return this.lines.filter(line => line.startsWith(`${kind} `)).map(line => line.slice(kind.length + 1))
  }

  /** Waits until `condition` holds or the process has ended. Rejects after a timeout. @param {() => boolean} condition */
  async until(condition, what = 'a line') {
    const deadline = Date.now() + TIMEOUT_MS
    while (!condition() && this.ended === undefined) {
      const left = deadline - Date.now()
      if (left <= 0)
        throw new Error(`${what} did not come in ${TIMEOUT_MS / 1000} s; the last: ${this.lines.slice(-3).join(' / ')}`)
      await new Promise(resolve => {
        const timer = setTimeout(wake, left)
        /** @type {Set<() => void>} */
        const waiting = this.#waiting
        function wake() {
          clearTimeout(timer)
          waiting.delete(wake)
          resolve(undefined)
        }
        waiting.add(wake)
      })
    }
  }

  /** The end of its standard error. */
  get errors() {
    return this.#errors.trim()
  }

  /** Makes the host process start its lost box again. */
  resume() {
    this.#child.stdin.write('on\n')
  }

  /**
   * Kills the victim, or the host process if the victim is not running.
   * @param {Outside} victim
   * @returns {Outside} what was killed
   */
  kill(victim) {
    const shim = this.box === undefined ? undefined : shimOf(this.box)?.pid
    const qemu = this.box === undefined ? undefined : qemuOf(this.box)?.pid
    if (victim === 'shim' && killNow(shim)) return 'shim'
    if (victim === 'qemu' && killNow(qemu)) return 'qemu'
    killNow(this.#child.pid)
    if (victim !== 'all') return 'host'
    killNow(shim)
    killNow(qemu)
    return 'all'
  }
}
