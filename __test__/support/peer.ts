// Another Node process with a runtime in the same home. Functions are sent to it as source text, so they can use only their arguments.
// Used by the tests of several processes and of killed processes.
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import type { Runtime, RuntimeOptions } from '../../index.mjs'
import { engine } from './homes.js'

const program = fileURLToPath(new URL('peer.mjs', import.meta.url))

// biome-ignore lint/suspicious/noExplicitAny: values that functions store for later functions
export type Kept = Record<string, any>

export class Peer {
  readonly process: ChildProcess
  #count = 0

  private constructor(process: ChildProcess) {
    this.process = process
  }

  /** Starts a peer that opens `home`, in a session of its own. `through` is a command that executes it, with its options. */
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

  /** Runs `work` there and resolves with its result. */
  async run<A, T>(work: (runtime: Runtime, argument: A, kept: Kept) => Promise<T> | T, argument: A): Promise<T> {
    const id = ++this.#count
    this.process.send({ id, source: work.toString(), argument })
    return (await this.#answer(id)) as T
  }

  /** Ends it in the given way, and resolves when it has exited. */
  async end(how: (pid: number) => void): Promise<void> {
    if (this.process.exitCode !== null || this.process.signalCode !== null) return
    const exited = once(this.process, 'exit')
    how(this.pid)
    await exited
  }

  kill(): Promise<void> {
    return this.end(pid => process.kill(pid, 'SIGKILL'))
  }

  #answer(id: number): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const exited = () => reject(new Error('the peer ended before it answered'))
      const answered = (message: { id: number; result?: unknown; error?: { message: string; code?: string } }) => {
        if (message.id !== id) return
        this.process.off('message', answered)
        this.process.off('exit', exited)
        if (message.error) reject(Object.assign(new Error(message.error.message), message.error))
        else resolve(message.result)
      }
      this.process.on('message', answered)
      this.process.once('exit', exited)
    })
  }
}
