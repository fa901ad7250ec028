// Runs apt-get and waits for its locks: only one program can use apt at a time, and a machine that has just booted updates itself. Called
// by debian.mjs.
//
// apt's option `DPkg::Lock::Timeout` covers only the lock of dpkg; `apt-get update` takes another one, for which there is no option.
import { setTimeout as sleep } from 'node:timers/promises'
import { capture } from '../command.mjs'
import { Failure } from '../failure.mjs'

/** How long to wait for another program that uses apt. */
const TIMEOUT_MS = 10 * 60_000

/** @typedef {{ onLine?: (line: string) => void, timeoutMs?: number, pauseMs?: number, env?: NodeJS.ProcessEnv,
 * cwd?: string }} AptOptions */

/**
 * Runs apt-get, again and again until it gets its locks. Fails after the timeout and names the process that holds them.
 * @param {string[]} args @param {AptOptions} [options] @returns {Promise<import('../command.mjs').CommandResult>}
 */
export async function aptGet(args, options = {}) {
  const { onLine, timeoutMs = TIMEOUT_MS, pauseMs = 1000, env = process.env, cwd } = options
  const until = performance.now() + timeoutMs
  for (;;) {
    const result = await capture('apt-get', args, {
      env: { ...env, DEBIAN_FRONTEND: 'noninteractive', LC_ALL: 'C' },
      ...(cwd && { cwd }),
      ...(onLine && { onLine }),
    })
    const holder = result.status === 0 ? undefined : lockHolder(result.output)
    if (holder === undefined) return result
    if (performance.now() + pauseMs > until) {
      throw new Failure(
        `\`apt-get ${args.join(' ')}\` waited ${Math.round(timeoutMs / 1000)} s for ${holder}`,
        'wait until that process has ended, or end it, then start again',
      )
    }
    onLine?.(`waiting for ${holder}`)
    await sleep(pauseMs)
  }
}

/** Describes the process that holds apt's lock, or returns `undefined` if apt-get failed for another reason. @param {string} output */
export function lockHolder(output) {
  const named = /Could not get lock (\S+?)\.? It is held by process (\d+) \((.*)\)/.exec(output)
  if (named) return `process ${named[2]} (${named[3]}), which holds ${named[1]}`
  const lock =
    /(?:Could not get lock|Unable to lock directory|Unable to acquire the dpkg frontend lock) \(?([^\s)]+?)\)?[.,]?(?=[\s,]|$)/m
  const file = lock.exec(output)?.[1]
  return file && `the process that holds ${file}`
}
