// `npm run fuzz`: runs every fuzz target of `fuzz/` for a bounded time, from its committed corpus and from generated seeds, and prints
// TAP. `-- --seconds 60 --target layer` runs one target for longer. A failing sample is stored in build/fuzz, and the command that
// repeats the failure is printed.
//
// This is libFuzzer with stable Rust: the instrumentation is LLVM's own pass, with the flags of `cargo fuzz`, which needs a nightly
// compiler only for sanitizers. Overflow checks and debug assertions are on. fuzz/rustc.sh instruments only the crates that read
// untrusted bytes, since compiling all of an HTTP client so would take minutes.
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { withTarget } from './build/target.mjs'
import { capture } from './command.mjs'
import { Failure, runScript } from './failure.mjs'
import { writeSeeds } from './fuzz/seeds.mjs'
import { root, targetFolder } from './paths.mjs'
import { say, step } from './progress.mjs'

const LOCK = 'after a change of dependencies: cargo metadata --manifest-path fuzz/Cargo.toml >/dev/null'

runScript(import.meta, async () => {
  const { values } = parseArgs({ options: { seconds: { type: 'string' }, target: { type: 'string' } } })
  const all = readdirSync(join(root, 'fuzz/targets')).map(name => name.replace('.rs', ''))
  const targets = values.target === undefined ? all : all.filter(name => name === values.target)
  if (targets.length === 0) throw new Failure(`no such target: ${values.target}`, `one of ${all.join(', ')}`, 2)
  const programs = await build()
  // The folder is in memory, since some targets write each sample to a file.
  const scratch = mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'boxlite-fuzz-'))
  try {
    await writeSeeds(scratch)
    const results = await inParallel(targets, target => run(target, programs, scratch, Number(values.seconds ?? 8)))
    console.log(`1..${targets.length}`)
    return results.every(Boolean) ? 0 : 1
  } finally {
    rmSync(scratch, { recursive: true, force: true })
  }
})

/** Builds all targets and returns the folder of their programs. */
async function build() {
  const folder = join(targetFolder(), 'fuzz')
  const wrapper = { RUSTC_WRAPPER: join(root, 'fuzz/rustc.sh'), RUSTFLAGS: '--cfg=fuzzing' }
  const env = { ...process.env, ...wrapper, CARGO_TARGET_DIR: folder }
  const args = ['build', '--locked', '--manifest-path', 'fuzz/Cargo.toml']
  await step('fuzz targets', note =>
    withTarget(note, async () => {
      const { status, output } = await capture('cargo', args, { cwd: root, env, onLine: note })
      if (status !== 0) throw new Failure(`the fuzz targets can not be built:\n${output}`, LOCK)
      return undefined
    }),
  )
  return join(folder, 'debug')
}

/**
 * Runs one target. Returns whether it found nothing.
 * @param {string} target @param {string} programs @param {string} scratch @param {number} seconds
 */
async function run(target, programs, scratch, seconds) {
  const corpus = join(scratch, target)
  const committed = join(root, 'fuzz/corpus', target)
  if (existsSync(committed)) cpSync(committed, corpus, { recursive: true })
  const artifacts = join(root, 'build/fuzz')
  const temporary = join(scratch, `${target}-tmp`)
  for (const folder of [corpus, artifacts, temporary]) mkdirSync(folder, { recursive: true })
  const options = [
    `-max_total_time=${seconds}`,
    '-timeout=5',
    '-rss_limit_mb=1024',
    `-artifact_prefix=${artifacts}/${target}-`,
  ]
  const env = { ...process.env, TMPDIR: temporary }
  const program = join(programs, target)
  const result = await capture(program, [...options, corpus], { env, timeoutMs: (seconds + 60) * 1000 })
  const runs = /^Done (\d+) runs/m.exec(result.output)?.[1]
  if (result.status === 0 && runs !== undefined) {
    console.log(`ok - ${target}: ${runs} samples in ${seconds} s`)
    return true
  }
  console.log(`not ok - ${target}`)
  say(`${result.output.slice(-4000)}\nagain: ${program} build/fuzz/${target}-…`)
  return false
}

/**
 * Runs `work` for all items, as many at a time as there are processors.
 * @template T @param {T[]} items @param {(item: T) => Promise<boolean>} work
 */
async function inParallel(items, work) {
  const waiting = [...items]
  /** @type {boolean[]} */
  const results = []
  const worker = async () => {
    for (let item = waiting.shift(); item !== undefined; item = waiting.shift()) results.push(await work(item))
  }
  await Promise.all(Array.from({ length: availableParallelism() }, worker))
  return results
}
