// Allows one build at a time in one cache. flock(1), part of every Debian, holds the lock while a child process runs, which ends when
// its standard input is closed. The kernel closes it when this process exits for any reason, so no stale lock remains. Called by
// part.mjs and target.mjs.
import { spawn } from 'node:child_process'
import { Failure } from '../failure.mjs'

/**
 * Runs `work` while holding the exclusive lock `file`; `waiting` is called if another build holds it.
 * @template T
 * @param {string} file @param {() => void} waiting @param {() => Promise<T>} work
 * @returns {Promise<T>}
 */
export async function withLock(file, waiting, work) {
  const timer = setTimeout(waiting, 500)
  const holder = spawn('flock', ['--exclusive', file, 'sh', '-c', 'echo held; exec cat'], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  const ended = new Promise(done => holder.once('close', done))
  try {
    await new Promise((held, failed) => {
      holder.stdout.once('data', held)
      holder.once('error', error => failed(new Failure(`flock \`${file}\`: ${error.message}`)))
      holder.once('close', () => failed(new Failure(`flock \`${file}\`: could not be taken`)))
    })
    clearTimeout(timer)
    return await work()
  } finally {
    clearTimeout(timer)
    holder.stdin.end()
    await ended
  }
}
