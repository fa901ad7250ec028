// Shows progress: a line for each step with the seconds that it took. On a terminal, the last output of the running step is shown
// beside it; elsewhere a line is printed twice a minute. Called by setup, build, start, package and test. Writes to standard error,
// so that standard output is left to the program.
const terminal = process.stderr.isTTY === true
const began = performance.now()

/** The time since the script began, as text. */
export const elapsed = () => seconds(performance.now() - began)

/** @param {number} ms */
export const seconds = ms => `${(ms / 1000).toFixed(ms < 10_000 ? 1 : 0)} s`

/** @param {string} text */
export function say(text) {
  process.stderr.write(`${text}\n`)
}

/**
 * Runs `work` as a step called `name`. `work` gets a function for lines of output, and returns the text that is printed after the
 * name.
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
