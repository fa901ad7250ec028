// A counting fake of the native half at its edge: an execution whose process is a script of what it writes.
import type {
  CollectInput,
  ExecInput,
  Failure,
  NativeBox,
  NativeChunk,
  NativeCollected,
  NativeCommand,
  NativeExecution,
  Outcome,
} from '../../lib/binding.js'
import { makeBox } from '../../lib/box.js'
import { type Execution, makeExecution } from '../../lib/execution.js'
import type { SpawnOptions } from '../../lib/options/execution.js'

export const out = (data: string | Uint8Array): NativeChunk => ({ kind: 'stdout', data: Buffer.from(data) })
export const err = (data: string | Uint8Array): NativeChunk => ({ kind: 'stderr', data: Buffer.from(data) })
export const exit = (code = 0): NativeChunk => ({
  kind: 'exit',
  status: { code, timedOut: false, oomKilled: false },
})
export const killed = (signal: string, rest: { timedOut?: boolean; oomKilled?: boolean } = {}): NativeChunk => ({
  kind: 'exit',
  status: { signal, timedOut: false, oomKilled: false, ...rest },
})

export const LOST: Failure = {
  code: 'PORTAL_LOST',
  message: 'read output: connection lost at byte 5',
  causes: ['broken pipe'],
}

/** What a process writes, batch by batch; a batch may be a failure, or a promise that comes later. */
export type Script = Iterable<NativeChunk[] | Failure | Promise<NativeChunk[]>>

export class FakeExecution implements NativeExecution {
  readonly id = 'e1'
  readonly pid = 7
  /** Calls of `recv` so far. */
  pulls = 0
  /** Output bytes that were pulled so far. */
  pulled = 0
  signals: (string | number)[] = []
  written: Buffer[] = []
  stdinClosed = false
  detached = false
  /** Resolves each write; a test may replace it to hold writes back. */
  room: () => Promise<void> = async () => {}
  #script: Iterator<NativeChunk[] | Failure | Promise<NativeChunk[]>>
  #killed: (() => void) | undefined
  #ended = false

  constructor(script: Script) {
    this.#script = script[Symbol.iterator]()
  }

  async recv(): Promise<Outcome<NativeChunk[] | null>> {
    this.pulls += 1
    if (this.#ended) return { ok: null }
    const { done, value } = this.#script.next()
    // A script that ends without `exit` is a process that runs until it is killed.
    const dies = new Promise<NativeChunk[]>(resolve => {
      this.#killed = () => resolve([killed('SIGKILL')])
    })
    const next = this.signals.includes(9)
      ? [killed('SIGKILL')]
      : done
        ? dies
        : Promise.race([Promise.resolve(value), dies])
    const batch = await next
    if (!Array.isArray(batch)) return { error: batch }
    for (const { data, kind } of batch) {
      this.pulled += data?.length ?? 0
      this.#ended ||= kind === 'exit'
    }
    return { ok: batch }
  }

  async write(data: Uint8Array): Promise<Outcome<void>> {
    await this.room()
    this.written.push(Buffer.from(data))
    return {}
  }

  async closeStdin(): Promise<Outcome<void>> {
    this.stdinClosed = true
    return {}
  }

  async kill(signal: string | number): Promise<Outcome<boolean>> {
    this.signals.push(signal)
    if (signal === 9) this.#killed?.()
    return { ok: !this.#ended }
  }

  killAll(): Promise<Outcome<boolean>> {
    return this.kill(9)
  }

  async detach(): Promise<Outcome<void>> {
    this.detached = true
    this.#killed?.()
    return {}
  }

  async resize(): Promise<Outcome<void>> {
    return {}
  }

  async wait(): Promise<Outcome<never>> {
    throw new Error('not used')
  }
}

/** An execution over a script. */
export function run(script: Script, options: SpawnOptions = {}): { child: Execution; fake: FakeExecution } {
  const fake = new FakeExecution(script)
  return { fake, child: makeExecution(async () => fake, options) }
}

/** What a fake box does besides following a script. */
interface BoxAnswers {
  /** What the native half has collected. That it does so rightly is for the tests of `src/runtime`. */
  collected?: NativeCollected
  /** What keeps a command from starting. */
  spawnError?: Failure
}

/** A command that ends with what was collected: at once, or if it is `open` when it is cancelled. */
export class FakeCommand implements NativeCommand {
  written: Buffer[] = []
  stdinClosed = false
  cancelled = false
  #collected: NativeCollected
  #open: boolean
  #cancel: (() => void) | undefined

  constructor(collected: NativeCollected, open: boolean) {
    this.#collected = collected
    this.#open = open
  }

  async run(): Promise<Outcome<NativeCollected>> {
    if (!this.#open) return { ok: this.#collected }
    await new Promise<void>(resolve => {
      this.#cancel = resolve
    })
    return { ok: { ...this.#collected, error: { code: 'ABORTED', message: 'aborted', causes: [] } } }
  }

  async write(data: Uint8Array): Promise<Outcome<void>> {
    this.written.push(Buffer.from(data))
    return {}
  }

  async closeStdin(): Promise<Outcome<void>> {
    this.stdinClosed = true
    return {}
  }

  cancel(): void {
    this.cancelled = true
    this.#cancel?.()
  }
}

/** A box whose every execution follows `script`; `inputs` and `collects` are what reached the native half. */
export function fakeBox(script: () => Script, { collected, spawnError }: BoxAnswers = {}) {
  const inputs: ExecInput[] = []
  const collects: (CollectInput | undefined)[] = []
  const executions: FakeExecution[] = []
  const commands: FakeCommand[] = []
  const begin = () => {
    const execution = new FakeExecution(script())
    executions.push(execution)
    return execution
  }
  const native: Partial<NativeBox> = {
    id: 'b1',
    name: null,
    image: 'alpine:3',
    start: () => ({ wait: async () => ({}), cancel() {} }),
    quote: word => `<${word}>`,
    async spawn(input) {
      inputs.push(input)
      return spawnError ? { error: spawnError } : { ok: begin() }
    },
    async exec(input, collect) {
      inputs.push(input)
      collects.push(collect)
      return { ok: spawnError ? { error: spawnError } : (collected ?? { exit: { code: 0 } }) }
    },
    command(input, collect) {
      inputs.push(input)
      collects.push(collect)
      const open = collected?.exit === undefined && collected?.error === undefined
      const command = new FakeCommand(collected ?? {}, open)
      commands.push(command)
      return command
    },
  }
  return { box: makeBox(native as NativeBox), inputs, collects, executions, commands }
}

/** Lets everything that is ready run. */
export async function quiet(): Promise<void> {
  for (let turn = 0; turn < 20; turn += 1) await new Promise(resolve => setImmediate(resolve))
}
