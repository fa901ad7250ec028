// `npm run bench`: measures what a user waits for and what it costs, prints a table with the limits to standard error and
// JSON to standard output. Options: `--lab` (libkrun in the KVM lab, its clock counting instructions, so that times repeat
// on any machine), `--engine NAME`, `--check` (a figure over its limit makes the status 1), `--here` (no build first).
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
 * @typedef {object} Bench what a figure may use
 * @property {typeof import('../index.js').Runtime} Runtime
 * @property {import('../index.js').Runtime} runtime with the image in its cache
 * @property {string} home
 * @property {string} image
 * @property {() => string} folder a new temporary folder
 */
/** @typedef {{ name: string, unit: string, notInLab?: boolean, measure: (bench: Bench) => Promise<number> }} Figure */

runScript(import.meta, async () => {
  const { values } = parseArgs({
    options: {
      lab: { type: 'boolean' },
      here: { type: 'boolean' },
      check: { type: 'boolean' },
      engine: { type: 'string' },
    },
  })
  if (!values.here) {
    await setup({ test: values.lab === true })
    await build()
  }
  if (values.lab) return runInLab(['bench/bench.mjs', '--here', ...(values.check ? ['--check'] : [])], ['--icount'])
  const results = await measureAll(/** @type {'auto'} */ (values.engine ?? 'auto'))
  console.log(JSON.stringify(results, null, 2))
  return values.check && Object.values(results.figures).some(figure => figure.ok === false) ? 1 : 0
})

/** @param {'auto' | 'krun' | 'qemu'} engine */
async function measureAll(engine) {
  const base = mkdtempSync(join(tmpdir(), 'boxlite-bench-'))
  const { Runtime } = await loadFace()
  const image = join(base, 'image')
  await writeBusybox(image)
  const home = join(base, 'home')
  const runtime = await Runtime.open({ home, engine })
  try {
    const setting = await warmUp(runtime, image)
    const folder = () => mkdtempSync(join(base, 'f-'))
    /** @type {Record<string, { value: number, unit: string, limit?: number, ok?: boolean }>} */
    const measured = {}
    for (const { name, unit, notInLab, measure } of figures) {
      if (notInLab && setting.lab) continue
      const value = Number((await measure({ Runtime, runtime, home, image, folder })).toPrecision(4))
      const { limit, ok } = judge(name, value, setting)
      measured[name] = { value, unit, ...(limit === undefined ? {} : { limit, ok }) }
      const verdict = limit === undefined ? '' : `  (limit ${limit}${ok ? '' : ', missed'})`
      say(`${name.padEnd(28)}${String(value).padStart(10)} ${unit}${verdict}`)
    }
    return { ...setting, node: process.version, figures: measured }
  } finally {
    await runtime.close()
    rmSync(base, { recursive: true, force: true })
  }
}

/** Runs one box, so that the image's root disk is in the cache, and tells what it ran on. @param {Bench['runtime']} runtime @param {string} image */
async function warmUp(runtime, image) {
  const box = await runtime.create({ image })
  await box.exec('true', [], { check: true })
  const { engine, accelerated } = await box.info()
  await box.remove({ force: true })
  return { engine: String(engine), accelerated: accelerated === true, lab: process.env.LAB === '1' }
}
