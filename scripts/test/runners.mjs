// Runs the tests of a rung: a command that either succeeds or not, cargo test, vitest, and programs that print TAP. Each function
// returns a Tally counted from the runner's own report; a runner that fails without a failed test counts as one failure. Called by
// rungs.mjs.
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { withTarget } from '../build/target.mjs'
import { capture } from '../command.mjs'
import { root } from '../paths.mjs'
import { say, step } from '../progress.mjs'
import { excerpt } from './excerpt.mjs'
import { add, format, none, oneFailed, onePassed } from './tally.mjs'

/** @typedef {import('./tally.mjs').Tally} Tally */

const logs = join(root, 'build/test')

/**
 * Runs a command, writes its output to build/test/NAME.log, and prints why if anything failed.
 * @param {string} name @param {string} command @param {(result: import('../command.mjs').CommandResult) => Tally} count
 * @returns {Promise<{ tally: Tally, output: string }>}
 */
async function observe(name, command, count) {
  mkdirSync(logs, { recursive: true })
  let tally = none
  let output = ''
  await step(name, async note => {
    const run = (/** @type {NodeJS.ProcessEnv} */ target) => {
      const env = { ...process.env, ...target, CARGO_TERM_COLOR: 'never', FORCE_COLOR: '0', NO_COLOR: '1' }
      // One pipe for both streams keeps a heading before the results that it heads.
      return capture('sh', ['-c', `exec 2>&1; ${command}`], { cwd: root, env, onLine: note })
    }
    const isCargo = command.startsWith('cargo ')
    const result = isCargo ? await withTarget(note, target => run({ CARGO_TARGET_DIR: target })) : await run({})
    output = result.output
    writeFileSync(join(logs, `${name}.log`), output)
    tally = count(result)
    if (result.status !== 0 && tally.failed === 0) tally = add(tally, oneFailed)
    return format(tally)
  })
  if (tally.failed > 0) say(`${excerpt(output)}\n(the whole output: build/test/${name}.log)`)
  return { tally, output }
}

/** A check that passes or fails as a whole. @param {string} name @param {string} command */
export async function check(name, command) {
  return (await observe(name, command, ({ status }) => (status === 0 ? onePassed : oneFailed))).tally
}

/**
 * Runs cargo test over the workspace and returns the tally of all test programs, and of those whose source file matches.
 * @param {string} name @param {string} command
 * @returns {Promise<{ all: Tally, of: (program: RegExp) => Tally }>}
 */
export async function cargoTest(name, command) {
  const { tally, output } = await observe(name, command, ({ output }) =>
    add(...sections(output).map(([, part]) => part)),
  )
  const programs = sections(output)
  return {
    all: tally,
    of: program => add(...programs.filter(([title]) => program.test(title)).map(([, part]) => part)),
  }
}

/**
 * Reads the tallies from cargo test's output. A test that is ignored because another one starts it as a process does not count as
 * skipped: it ran as part of that one.
 * @param {string} output @returns {[string, Tally][]}
 */
export function sections(output) {
  /** @type {[string, Tally][]} */
  const found = []
  let title = ''
  let helpers = 0
  for (const line of output.split('\n')) {
    if (/^test .* \.\.\. ignored, started by /.test(line)) helpers++
    title = /^\s+(?:Running|Doc-tests) (.*)/.exec(line)?.[1] ?? title
    const numbers = /^test result: \w+\. (\d+) passed; (\d+) failed; (\d+) ignored/.exec(line)
    if (!numbers) continue
    const [passed, failed, ignored] = numbers.slice(1).map(Number)
    found.push([title, { passed: passed ?? 0, failed: failed ?? 0, skipped: (ignored ?? 0) - helpers }])
    helpers = 0
  }
  return found
}

/**
 * Runs one vitest project, or the files of it that `filter` selects, under a name of their own and so many at a time.
 * @param {string} project @param {{ name?: string, filter?: string, workers?: number }} [part]
 */
export async function vitest(project, { name = project, filter = '', workers = 1 } = {}) {
  const report = join(logs, `${name}.json`)
  rmSync(report, { force: true })
  const reporters = `--reporter=verbose --reporter=json --outputFile.json='${report}'`
  const command = `export BOXLITE_TEST_WORKERS=${workers}; exec npx vitest run --project ${project} ${filter} ${reporters}`
  return (await observe(name, command, () => countVitest(report))).tally
}

/** @param {string} report */
function countVitest(report) {
  const text = readIfPresent(report)
  return text === undefined ? oneFailed : vitestTally(JSON.parse(text), isRoot())
}

const isRoot = () => process.getuid?.() === 0

/**
 * The name of a test that needs root, for example to mount or to change a file's owner. Only such a test may be skipped, by other
 * users.
 */
const NEEDS_ROOT = /needs root/

/** @typedef {{ status: string, fullName: string }} VitestResult */
/** @typedef {{ status: string, assertionResults: VitestResult[] }} VitestFile */

/**
 * Reads the tally from vitest's report.
 * @param {{ numPassedTests: number, numFailedTests: number, testResults: VitestFile[] }} report @param {boolean} root
 * @returns {Tally}
 */
export function vitestTally({ numPassedTests, numFailedTests, testResults }, root) {
  // A file that does not load, or whose hooks fail, has no failed test.
  const broken = testResults.filter(
    file => file.status === 'failed' && !file.assertionResults.some(({ status }) => status === 'failed'),
  )
  const skipped = testResults
    .flatMap(file => file.assertionResults)
    .filter(({ status }) => status !== 'passed' && status !== 'failed')
  return {
    passed: numPassedTests,
    failed: numFailedTests + broken.length,
    skipped: skipped.length,
    excused: skipped.filter(({ fullName }) => !root && NEEDS_ROOT.test(fullName)).length,
  }
}

/** Runs a program that prints TAP. @param {string} name @param {string} command */
export async function tap(name, command) {
  return (await observe(name, command, ({ output }) => countTap(output))).tally
}

/**
 * Counts TAP lines. If a run was repeated, only the last run counts, but failures of all runs do.
 * @param {string} output @param {boolean} root
 */
export function countTap(output, root = isRoot()) {
  const linesOf = (/** @type {string} */ text) => text.split('\n').map(line => line.trim())
  const lines = linesOf(output.slice(Math.max(0, output.lastIndexOf('TAP version '))))
  const skipped = lines.filter(line => /^ok .*# SKIP/.test(line))
  return {
    passed: lines.filter(line => /^ok /.test(line)).length - skipped.length,
    failed: linesOf(output).filter(line => /^not ok /.test(line)).length,
    skipped: skipped.length,
    excused: skipped.filter(line => !root && NEEDS_ROOT.test(line)).length,
  }
}

/** @param {string} file */
function readIfPresent(file) {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return undefined
  }
}
