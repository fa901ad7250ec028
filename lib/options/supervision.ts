// What a box does on its own: a main process, restarts, health checks, limits of time. Part of the options of
// `runtime.create`, checked here for `box.ts` beside.
import type { HealthCheckInput, SupervisionInput } from '../binding.js'
import { arrayOf, boolean, type Check, checkOptions, integer, object, oneOf, type Shape, text, word } from '../check.js'
import { InvalidArgumentError } from '../errors.js'
import { snakeCase } from '../names.js'
import { futureTime, milliseconds } from './values.js'

/** When a main process that ended is started again. */
export interface RestartOptions {
  /** `'no'`: the box ends with it. `'on-failure'`: after an exit code other than 0, or a signal. Default: `'no'`. */
  policy?: 'no' | 'on-failure' | 'always'
  /** Restarts in a row; a run of ten seconds or more begins a new row. 0 is no limit. Default: 0. */
  maxRetries?: number
  /** Milliseconds before the first restart, doubled for each one in the row up to one minute. Default: 100. */
  delayMs?: number
}

/** How the health of a box is found out: by a command, or by a TCP port; exactly one of the two. */
export interface HealthCheckOptions {
  /** A command inside the box whose exit code 0 means healthy: a program with its arguments, or a line for `/bin/sh`. */
  command?: string | readonly string[]
  /** A port on 127.0.0.1 inside the box where a connection must be accepted. */
  tcpPort?: number
  /** Milliseconds between two checks. Default: 30 000. */
  intervalMs?: number
  /** Milliseconds that one check may take. Default: 30 000. */
  timeoutMs?: number
  /** Failures in a row that make the box unhealthy. Default: 3. */
  retries?: number
  /** Milliseconds after the start in which failures don't count, until the first success. Default: 0. */
  startPeriodMs?: number
}

/** What a box does on its own, whether or not the program that made it still runs. */
export interface SupervisionOptions {
  /**
   * Run the image's program, its entrypoint and command, as the box's main process: it starts with the box, and the box
   * ends when it has ended for good. Giving `entrypoint` or `cmd` does so too. Default: `false`, a box idles until `exec`.
   */
  main?: boolean
  /**
   * The main process instead of the image's entrypoint. As in docker, the image's command is then left out. An empty array
   * is no entrypoint. Default: the image's.
   */
  entrypoint?: readonly string[]
  /** The arguments of the entrypoint, or the main process where there is none. Default: the image's. */
  cmd?: readonly string[]
  /**
   * `false`: the main process is the container's pid 1 itself, as s6-overlay and systemd insist on, and reaps the container's
   * orphans. Its end then ends every process of the container, and `restart` can't be used. Default: `true`, pid 1 is ours.
   */
  init?: boolean
  /** The signal that ends the main process: a name such as `'SIGINT'`, or a number. Default: the image's, else SIGTERM. */
  stopSignal?: string | number
  /** When the main process is started again after its end. Default: never. */
  restart?: RestartOptions
  /** Whether the box is healthy; `false` runs no check. Default: the image's check if there is a main process, else none. */
  healthCheck?: HealthCheckOptions | false
  /** Milliseconds after its start at which the box stops; 0 is never, the most is 366 days. Default: 0. */
  maxLifetimeMs?: number
  /**
   * Milliseconds without an execution and without any other call to the box after which it stops; 0 is never, the most is
   * 366 days. A main process and health checks don't count as use. Default: 0.
   */
  idleTimeoutMs?: number
  /**
   * When the box stops, whatever it is doing: a Date, or milliseconds since 1970, that must be to come. It holds over restarts
   * of the box and of this program; from then on the box does not start until `box.update` gives it another. Default: never.
   */
  endsAt?: Date | number
}

const LONGEST_MS = 366 * 24 * 60 * 60 * 1000

/** A time that a box may live or idle. */
export const lifetime = integer(0, LONGEST_MS, 'milliseconds')

const commandLine = arrayOf(word, 'strings without NUL byte')

const healthCommand: Check = {
  expected: 'a line for /bin/sh, or an array of a program and its arguments',
  holds: value => text.holds(value) || (Array.isArray(value) && value.length > 0 && commandLine.holds(value)),
}

/** Part of the shape of `runtime.create`'s options. */
export const SUPERVISION: Shape<SupervisionOptions> = {
  main: boolean,
  entrypoint: commandLine,
  cmd: commandLine,
  init: boolean,
  stopSignal: {
    expected: "a signal's name, such as 'SIGINT', or an integer from 1 to 64",
    holds: value => text.holds(value) || integer(1, 64).holds(value),
  },
  restart: object,
  healthCheck: {
    expected: 'an object or false',
    holds: value => value === false || object.holds(value),
  },
  maxLifetimeMs: lifetime,
  idleTimeoutMs: lifetime,
  endsAt: futureTime,
}

const RESTART: Shape<RestartOptions> = {
  policy: oneOf('no', 'on-failure', 'always'),
  maxRetries: integer(0, 2 ** 32 - 1),
  delayMs: milliseconds,
}

const HEALTH_CHECK: Shape<HealthCheckOptions> = {
  command: healthCommand,
  tcpPort: integer(1, 65_535),
  intervalMs: integer(1, 2 ** 31 - 1, 'milliseconds'),
  timeoutMs: integer(1, 2 ** 31 - 1, 'milliseconds'),
  retries: integer(1, 2 ** 32 - 1),
  startPeriodMs: milliseconds,
}

/** Options whose outer shape was checked, as the addon takes them. */
export function supervisionInput(operation: string, options: SupervisionOptions): SupervisionInput {
  const { main, entrypoint, cmd, stopSignal, healthCheck } = options
  if (main === false && (entrypoint !== undefined || cmd !== undefined)) {
    throw new InvalidArgumentError(`${operation}: option \`main\`: false, but \`entrypoint\` or \`cmd\` ask for one`)
  }
  const restart = options.restart && checkOptions(`${operation}: restart`, options.restart, RESTART)
  if (options.init === false) checkOwnInit(operation, options, restart)
  return {
    main,
    entrypoint,
    cmd,
    main_is_init: options.init === false,
    stop_signal: stopSignal === undefined ? undefined : String(stopSignal),
    restart: restart && { when: restart.policy, max_retries: restart.maxRetries, delay_ms: restart.delayMs },
    health:
      healthCheck === false ? 'off' : healthCheck && { own: healthInput(`${operation}: healthCheck`, healthCheck) },
    max_lifetime_ms: options.maxLifetimeMs,
    idle_timeout_ms: options.idleTimeoutMs,
    ends_at_ms: options.endsAt === undefined ? undefined : Number(options.endsAt),
  }
}

/** A main process that is the container's pid 1 can't be started again: its end ends every process of the container. */
function checkOwnInit(operation: string, options: SupervisionOptions, restart: RestartOptions | undefined): void {
  const { main, entrypoint, cmd } = options
  if (!main && entrypoint === undefined && cmd === undefined) {
    throw new InvalidArgumentError(`${operation}: option \`init\`: false, but the box has no main process`, {
      hint: 'give `main: true` to run the program of the image, or `entrypoint` or `cmd`',
    })
  }
  if (restart?.policy !== undefined && restart.policy !== 'no') {
    throw new InvalidArgumentError(
      `${operation}: option \`restart\`: a main process that is pid 1 (\`init: false\`) can't be started again: its end ends every process of the container`,
      { hint: 'leave `restart` out and start the box again, or leave `init` out' },
    )
  }
}

function healthInput(operation: string, given: HealthCheckOptions): HealthCheckInput {
  const { command, tcpPort, ...rest } = checkOptions(operation, given, HEALTH_CHECK)
  if ((command === undefined) === (tcpPort === undefined)) {
    throw new InvalidArgumentError(`${operation}: exactly one of \`command\` and \`tcpPort\` is needed`)
  }
  const words = typeof command === 'string' ? ['/bin/sh', '-c', command] : command
  return {
    ...snakeCase(rest),
    probe: words ? { command: words } : { 'tcp-port': tcpPort },
  }
}
