// apt-get, with patience for its locks: at most one program may use apt at a time, and a machine that just came up updates itself.
// Called by debian.mjs.
//
// `DPkg::Lock::Timeout` would do for the lock of dpkg alone: `apt-get update` takes another one, for which there is no such option.
import { setTimeout as sleep } from 'node:timers/promises'
import { capture } from '../command.mjs'
import { Failure } from '../failure.mjs'

/** How long another program may keep apt busy. */
const PATIENCE_MS = 10 * 60_000

/** @typedef {{ onLine?: (line: string) => void, patienceMs?: number, pauseMs?: number, env?: NodeJS.ProcessEnv }} AptOptions */

/**
 * Runs apt-get until it gets its locks, for as long as the patience lasts; then says who holds them.
 * @param {string[]} args @param {AptOptions} [options] @returns {Promise<import('../command.mjs').CommandResult>}
 */
export async function aptGet(args, options = {}) {
  const { onLine, patienceMs = PATIENCE_MS, pauseMs = 1000, env = process.env } = options
  const until = performance.now() + patienceMs
  for (;;) {
    const result = await capture('apt-get', args, {
      env: { ...env, DEBIAN_FRONTEND: 'noninteractive', LC_ALL: 'C' },
      ...(onLine && { onLine }),
    })
    const holder = result.status === 0 ? undefined : lockHolder(result.output)
    if (holder === undefined) return result
    if (performance.now() + pauseMs > until) {
      throw new Failure(
        `\`apt-get ${args.join(' ')}\` waited ${Math.round(patienceMs / 1000)} s for ${holder}`,
        'let that end, or end it, then start again',
      )
    }
    onLine?.(`waits for ${holder}`)
    await sleep(pauseMs)
  }
}

/** Who keeps apt-get from working, in words; `undefined` where it failed for another reason. @param {string} output */
export function lockHolder(output) {
  const told = /Could not get lock (\S+?)\.? It is held by process (\d+) \((.*)\)/.exec(output)
  if (told) return `process ${told[2]} (${told[3]}), which holds ${told[1]}`
  const lock =
    /(?:Could not get lock|Unable to lock directory|Unable to acquire the dpkg frontend lock) \(?([^\s)]+?)\)?[.,]?(?=[\s,]|$)/m
  const file = lock.exec(output)?.[1]
  return file && `the process that holds ${file}`
}
