// `ExecutionInfo`: one line in the list of `box.executions()`. Made by `box.ts`.

/** An execution that runs in a box. */
export interface ExecutionInfo {
  /** Its identity: `box.execution(id)` finds it. */
  id: string
  /** The process's number inside the box. */
  pid: number
  /** The command as it was given. */
  command: string
  /** Its arguments; a long command line is cut after 256 bytes. */
  args: string[]
  /** Whether it has a terminal. */
  tty: boolean
  /** Whether it was started to outlive its handle. */
  detached: boolean
  /** When it was started, by the host's clock. */
  startedAt: Date
}
