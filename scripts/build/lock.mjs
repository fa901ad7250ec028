// One build at a time in one cache. flock(1), part of every Debian, holds the lock for a child that lives until its
// standard input closes: the kernel sees to that when we end, however we end, so no stale lock can be left.
// Called by build/part.mjs around the work that writes to the cache.
import { spawn } from 'node:child_process'
import { Failure } from '../failure.mjs'

/**
 * Runs `work` while holding the exclusive lock `file`; `waiting` is called if another build holds it.
 * @template T
 * @param {string} file @param {() => void} waiting @param {() => Promise<T>} work
 * @returns {Promise<T>}
 */
export async function withLock(file, waiting, work) {
  const patience = setTimeout(waiting, 500)
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
    clearTimeout(patience)
    return await work()
  } finally {
    clearTimeout(patience)
    holder.stdin.end()
    await ended
  }
}
