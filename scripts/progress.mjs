// What a person sees while things are built: a line per step with the seconds it took. On a terminal the running step's
// last output shows beside it; in a log there is a sign of life twice a minute instead.
// Called by setup, build, start, package and test; writes to standard error, so that standard output stays the program's.
const terminal = process.stderr.isTTY === true
const began = performance.now()

/** Seconds since the script began. */
export const elapsed = () => seconds(performance.now() - began)

/** @param {number} ms */
export const seconds = ms => `${(ms / 1000).toFixed(ms < 10_000 ? 1 : 0)} s`

/** @param {string} text */
export function say(text) {
  process.stderr.write(`${text}\n`)
}

/**
 * Runs `work` as a step called `name`. `work` gets a function that takes a line of what is going on, and returns what to
 * print behind the name.
 * @template {string | undefined} T
 * @param {string} name @param {(note: (line: string) => void) => Promise<T>} work
 * @returns {Promise<T>}
 */
export async function step(name, work) {
  const start = performance.now()
  const label = `  ${name.padEnd(14)}`
  let latest = ''
  const show = () => {
    const took = seconds(performance.now() - start)
    if (terminal) process.stderr.write(`\r\x1b[K${label}${took}  ${latest.slice(0, 60)}`)
    else say(`${label}${took}  ${latest.slice(0, 100)}`)
  }
  const timer = setInterval(show, terminal ? 200 : 30_000)
  try {
    const outcome = await work(line => {
      if (line.trim()) latest = line.trim()
    })
    if (terminal) process.stderr.write('\r\x1b[K')
    say(`${label}${outcome ?? 'done'} (${seconds(performance.now() - start)})`)
    return outcome
  } catch (error) {
    if (terminal) process.stderr.write('\r\x1b[K')
    say(`${label}FAILED (${seconds(performance.now() - start)})`)
    throw error
  } finally {
    clearInterval(timer)
  }
}
