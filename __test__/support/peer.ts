// Another Node process with a runtime in the same home. Its functions are sent as source text, so they see only what they
// are called with. Used by the tests of several processes and of their deaths.
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import type { Runtime, RuntimeOptions } from '../../index.mjs'
import { engine } from './homes.js'

const program = fileURLToPath(new URL('peer.mjs', import.meta.url))

// biome-ignore lint/suspicious/noExplicitAny: what functions leave for later ones
export type Kept = Record<string, any>

export class Peer {
  readonly process: ChildProcess
  #count = 0

  private constructor(process: ChildProcess) {
    this.process = process
  }

  /** Starts one that has opened `home`; it leads a session of its own. `through`: a command that becomes it, with its options. */
  static async start(home: string, options: RuntimeOptions = {}, through: string[] = []): Promise<Peer> {
    const opened = JSON.stringify({ home, engine, ...options })
    const [execPath = process.execPath, ...execArgv] = through.length > 0 ? [...through, process.execPath] : []
    const peer = new Peer(fork(program, [opened], { detached: true, stdio: 'ignore', execPath, execArgv }))
    await peer.#answer(0)
    return peer
  }

  get pid(): number {
    return this.process.pid as number
  }

  /** Runs `work` there and resolves what it resolves. */
  async run<A, T>(work: (runtime: Runtime, argument: A, kept: Kept) => Promise<T> | T, argument: A): Promise<T> {
    const id = ++this.#count
    this.process.send({ id, source: work.toString(), argument })
    return (await this.#answer(id)) as T
  }

  /** Ends it in the given way, and resolves when it is gone. */
  async end(how: (pid: number) => void): Promise<void> {
    if (this.process.exitCode !== null || this.process.signalCode !== null) return
    const gone = once(this.process, 'exit')
    how(this.pid)
    await gone
  }

  kill(): Promise<void> {
    return this.end(pid => process.kill(pid, 'SIGKILL'))
  }

  #answer(id: number): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const gone = () => reject(new Error('the peer ended before it answered'))
      const answered = (message: { id: number; result?: unknown; error?: { message: string; code?: string } }) => {
        if (message.id !== id) return
        this.process.off('message', answered)
        this.process.off('exit', gone)
        if (message.error) reject(Object.assign(new Error(message.error.message), message.error))
        else resolve(message.result)
      }
      this.process.on('message', answered)
      this.process.once('exit', gone)
    })
  }
}
