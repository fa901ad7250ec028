// Signals by name and number. The numbers are Linux's on x86-64 and arm64 (signal(7)), since the process runs in a Linux
// guest whatever the host is. Used by `execution.ts`.
import { refusedArgument } from './check.js'

const NAMES = [
  'SIGHUP SIGINT SIGQUIT SIGILL SIGTRAP SIGABRT SIGBUS SIGFPE SIGKILL SIGUSR1 SIGSEGV SIGUSR2 SIGPIPE SIGALRM SIGTERM',
  'SIGSTKFLT SIGCHLD SIGCONT SIGSTOP SIGTSTP SIGTTIN SIGTTOU SIGURG SIGXCPU SIGXFSZ SIGVTALRM SIGPROF SIGWINCH SIGIO',
  'SIGPWR SIGSYS',
].flatMap(row => row.split(' '))

/** The highest signal of Linux, SIGRTMAX. */
const MAX = 64

/** `9` becomes `SIGKILL`; numbers without a name become `SIG40`. */
export function signalName(number: number): string {
  return NAMES[number - 1] ?? `SIG${number}`
}

/** A name such as `SIGTERM`, or a number, as a number. */
export function signalNumber(signal: unknown): number {
  if (typeof signal === 'string' && NAMES.includes(signal)) return NAMES.indexOf(signal) + 1
  if (typeof signal === 'number' && Number.isInteger(signal) && signal >= 0 && signal <= MAX) return signal
  const expected = `a name such as 'SIGTERM' or a number from 0 to ${MAX}`
  throw refusedArgument('execution.kill', 'signal', expected, signal)
}
