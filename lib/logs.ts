// `box.logs`: what a box's main process wrote, or its console, as an async iterator. Called by `box.ts`.
import { types } from 'node:util'
import { iterate } from './batches.js'
import type { NativeBox, NativeLogEntry } from './binding.js'
import { boolean, type Check, checkOptions, oneOf } from './check.js'
import { InvalidArgumentError } from './errors.js'
import { abortSignal } from './options/values.js'

/** Which logs, and how long. */
export interface LogsOptions {
  /** `'main'`: what the main process wrote. `'console'`: what the box's kernel and agent wrote. Default: `'main'`. */
  source?: 'main' | 'console'
  /** Wait for more, until the box ends. Default: `false`, which ends with what is there. */
  follow?: boolean
  /** Leave out output from before this time, as a Date or in milliseconds since 1970. The console notes no times. Default: all. */
  since?: Date | number
  /** Ends the logs; the iterator then rejects with `ABORTED`. Default: none. */
  signal?: AbortSignal
}

/**
 * A chunk of a log. It may begin and end within a line. `lost` counts bytes that are missing, since the host's disk was
 * too slow for the box.
 */
export type LogEntry =
  | { time: Date; stream: 'stdout' | 'stderr'; data: Buffer }
  | { time: null; stream: 'console'; data: Buffer }
  | { time: Date; stream: 'lost'; bytes: number }

const since: Check = {
  expected: 'a Date, or milliseconds since 1970',
  holds: value =>
    types.isDate(value)
      ? !Number.isNaN(value.getTime())
      : Number.isInteger(value) && (value as number) >= 0 && (value as number) <= Number.MAX_SAFE_INTEGER,
}

/** Checks the options at once; everything else waits for the first step. */
export function logs(native: NativeBox, given: LogsOptions | undefined): AsyncIterableIterator<LogEntry> {
  const options = checkOptions<LogsOptions>('box.logs', given, {
    source: oneOf('main', 'console'),
    follow: boolean,
    since,
    signal: abortSignal,
  })
  const { source = 'main', follow = false } = options
  if (source === 'console' && options.since !== undefined) {
    throw new InvalidArgumentError('box.logs: option `since`: the console notes no times')
  }
  const input = { source, follow, since_ms: Math.max(0, Number(options.since ?? 0)) }
  return entries()

  async function* entries() {
    yield* iterate('box.logs', options.signal, () => native.logs(input), entryOf)
  }
}

function entryOf({ timeMs, stream, data, lost }: NativeLogEntry): LogEntry {
  const time = timeMs === undefined ? null : new Date(timeMs)
  return (stream === 'lost' ? { time, stream, bytes: lost } : { time, stream, data }) as LogEntry
}
