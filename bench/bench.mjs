// `npm run bench`: measures the library's times, rates, memory and sizes, prints a table with the limits to standard error and JSON to
// standard output. Options: `--lab` (libkrun in the KVM lab, whose clock counts instructions, so that times repeat on any machine),
// `--engine NAME`, `--only NAME,NAME` (only these figures), `--check` (the status is 1 if a figure misses its limit; it is 1 anyway if
// one can't be measured, and the others still are), `--here` (does not build first).
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { build } from '../scripts/build.mjs'
import { runScript } from '../scripts/failure.mjs'
import { writeBusybox } from '../scripts/image/busybox.mjs'
import { runInLab } from '../scripts/lab.mjs'
import { say } from '../scripts/progress.mjs'
import { setup } from '../scripts/setup.mjs'
import { loadFace } from '../scripts/start/face.mjs'
import { figures } from './figures/index.mjs'
import { judge } from './limits.mjs'

/**
 * @typedef {object} Bench what a figure can use
 * @property {typeof import('../index.js').Runtime} Runtime
 * @property {import('../index.js').Runtime} runtime with the image in its cache
 * @property {string} home
 * @property {string} image
 * @property {() => string} folder a new temporary folder
 */
/** The lab's timeout. All figures take it some 25 minutes on an idle machine. */
const LAB_SECONDS = 3600

/** @typedef {{ name: string, unit: string, notInLab?: boolean, measure: (bench: Bench) => Promise<number> }} Figure */
/** @typedef {{ unit: string, value?: number, limit?: number, ok?: boolean, error?: string }} Measured */

runScript(import.meta, async () => {
  const { values } = parseArgs({
    options: {
      lab: { type: 'boolean' },
      here: { type: 'boolean' },
      check: { type: 'boolean' },
      engine: { type: 'string' },
      only: { type: 'string' },
    },
  })
  const chosen = choose(values.only)
  if (!values.here) {
    await setup({ test: values.lab === true })
    await build()
  }
  if (values.lab) {
    const options = [...(values.check ? ['--check'] : []), ...(values.only ? ['--only', values.only] : [])]
    return runInLab(['bench/bench.mjs', '--here', ...options], ['--icount', '--timeout', `${LAB_SECONDS}`])
  }
  const results = await measureAll(chosen, /** @type {'auto'} */ (values.engine ?? 'auto'))
  console.log(JSON.stringify(results, null, 2))
  const figuresMeasured = Object.values(results.figures)
  if (figuresMeasured.some(figure => figure.error !== undefined)) return 1
  return values.check && figuresMeasured.some(figure => figure.ok === false) ? 1 : 0
})

/** @param {string | undefined} only */
function choose(only) {
  if (only === undefined) return figures
  const names = only.split(',')
  const unknown = names.filter(name => !figures.some(figure => figure.name === name))
  if (unknown.length > 0) {
    const known = figures.map(({ name }) => name).join(', ')
    throw new Error(`option --only: no such figure: ${unknown.join(', ')}; the figures are ${known}`)
  }
  return figures.filter(({ name }) => names.includes(name))
}

/** @param {Figure[]} chosen @param {'auto' | 'krun' | 'qemu'} engine */
async function measureAll(chosen, engine) {
  const base = mkdtempSync(join(tmpdir(), 'boxlite-bench-'))
  const { Runtime } = await loadFace()
  const image = join(base, 'image')
  await writeBusybox(image)
  const home = join(base, 'home')
  const runtime = await Runtime.open({ home, engine })
  try {
    const setting = await warmUp(runtime, image)
    const folder = () => mkdtempSync(join(base, 'f-'))
    /** @type {Record<string, Measured>} */
    const measured = {}
    for (const { name, unit, notInLab, measure } of chosen) {
      if (notInLab && setting.lab) continue
      try {
        const value = Number((await measure({ Runtime, runtime, home, image, folder })).toPrecision(4))
        const { limit, ok } = judge(name, value, setting)
        measured[name] = { value, unit, ...(limit === undefined ? {} : { limit, ok }) }
        const verdict = limit === undefined ? '' : `  (limit ${limit}${ok ? '' : ', missed'})`
        say(`${name.padEnd(28)}${String(value).padStart(10)} ${unit}${verdict}`)
      } catch (error) {
        // The figures after it are still worth the minutes that those before it took.
        measured[name] = { unit, error: String(error), ok: false }
        say(`${name.padEnd(28)}    failed: ${error}`)
      }
    }
    return { ...setting, node: process.version, figures: measured }
  } finally {
    await runtime.close()
    rmSync(base, { recursive: true, force: true })
  }
}

/**
 * Runs one box, so that the image's root disk is in the cache. Returns which engine it ran on.
 * @param {Bench['runtime']} runtime @param {string} image
 */
async function warmUp(runtime, image) {
  const box = await runtime.create({ image, network: 'none' })
  await box.exec('true', [], { check: true })
  const { engine, accelerated } = await box.info()
  await box.remove({ force: true })
  return { engine: String(engine), accelerated: accelerated === true, lab: process.env.LAB === '1' }
}
