// `npm run soak`: creates, uses and removes boxes again and again in one process, whose resources must not grow; then runs many boxes at
// once, many commands in one box, a long stream in each direction, and many connections of one box. `--cycles N --boxes N --executions N
// --megabytes N --connections N --freeze N --engine E`; 0 leaves a test out. Prints TAP. Started by scripts/soak.mjs.
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { Runtime } from '../../index.mjs'
import { runScript } from '../../scripts/failure.mjs'
import { writeBusybox } from '../../scripts/image/busybox.mjs'
import { connections } from './connections.mjs'
import { crowd } from './crowd.mjs'
import { executions } from './executions.mjs'
import { growth, measure, settled } from './footprint.mjs'
import { freeze } from './freeze.mjs'
import { streams } from './streams.mjs'

const { values } = parseArgs({
  options: {
    cycles: { type: 'string', default: '25' },
    boxes: { type: 'string', default: '20' },
    executions: { type: 'string', default: '300' },
    megabytes: { type: 'string', default: '64' },
    connections: { type: 'string', default: '1000' },
    // Seconds; with more than 60 the connection is lost.
    freeze: { type: 'string', default: '0' },
    engine: { type: 'string', default: 'qemu' },
  },
})

/** Cycles before the first measurement, in which caches are filled and the allocator reaches its size. */
const WARM_UP = 5

let failed = 0
let count = 0

/** @param {string} name @param {string[]} faults */
function report(name, faults) {
  count++
  if (faults.length > 0) failed++
  console.log(`${faults.length > 0 ? 'not ok' : 'ok'} ${count} - ${name}`)
  for (const fault of faults) console.log(`#   ${fault}`)
}

runScript(import.meta, async () => {
  const base = mkdtempSync(join(tmpdir(), 'bx-'))
  process.env.TMPDIR = join(base, 'tmp')
  mkdirSync(process.env.TMPDIR)
  await writeBusybox(join(base, 'image'))
  const home = join(base, 'home')
  const runtime = await Runtime.open({ home, engine: values.engine === 'krun' ? 'krun' : 'qemu' })
  try {
    if (values.cycles !== '0') await cycles(runtime, base)
    if (values.boxes !== '0') {
      const faults = await crowd(runtime, join(base, 'image'), Number(values.boxes), say)
      report(`${values.boxes} boxes at once start, work and stop`, faults)
    }
    await inOneBox(runtime, join(base, 'image'))
    if (values.connections !== '0') {
      const faults = await connections(runtime, join(base, 'image'), base, Number(values.connections), say)
      report(`1000 connections at once and ${values.connections} in a row leave nothing behind, on either side`, faults)
    }
  } finally {
    await runtime.close()
    rmSync(base, { recursive: true, force: true })
  }
  console.log(`1..${count}`)
  console.log(`# ${count - failed} passed, ${failed} failed, 0 skipped`)
  return failed > 0 ? 1 : 0
})

/** @param {string} line */
const say = line => console.log(`# ${line}`)

/** @param {Runtime} runtime @param {string} image */
async function inOneBox(runtime, image) {
  const box = await runtime.create({ image })
  if (values.executions !== '0') {
    const faults = await executions(box, Number(values.executions), say)
    report(`${values.executions} commands one after the other leave nothing behind, on either side`, faults)
  }
  if (values.megabytes !== '0') {
    const faults = await streams(box, Number(values.megabytes), say)
    report(
      `${values.megabytes} MiB through one stream arrive byte for byte, in each direction, in bounded memory`,
      faults,
    )
  }
  if (values.freeze !== '0') {
    const faults = await freeze(box, Number(values.freeze), say)
    report(`a box that is stopped for ${values.freeze} s loses nothing in transit`, faults)
  }
  await box.remove({ force: true })
}

/** @param {Runtime} runtime @param {string} base */
async function cycles(runtime, base) {
  for (let cycle = 0; cycle < WARM_UP; cycle++) await once(runtime, base, cycle)
  const before = await settled(base)
  const began = performance.now()
  const wanted = Number(values.cycles)
  for (let cycle = 0; cycle < wanted; cycle++) {
    await once(runtime, base, cycle)
    if (cycle % 50 === 49) console.log(`# after ${cycle + 1} cycles: ${JSON.stringify(measure(base))}`)
  }
  const seconds = (performance.now() - began) / 1000
  const after = await settled(base)
  console.log(`# before ${JSON.stringify(before)}`)
  console.log(`# after  ${JSON.stringify(after)}`)
  console.log(`# ${wanted} cycles in ${seconds.toFixed(0)} s, ${(seconds / wanted).toFixed(2)} s each`)
  report(
    `after ${wanted} cycles of create, exec and remove everything is back where it was`,
    growth(before, after, wanted),
  )
}

/** Creates, uses and removes one box, with files and a process. @param {Runtime} runtime @param {string} base @param {number} cycle */
async function once(runtime, base, cycle) {
  const box = await runtime.create({ image: join(base, 'image'), name: `soak-${cycle}`, memoryMib: 128 })
  const { stdout } = await box.exec('sh', ['-c', `echo ${cycle} > /var/note; cat /var/note`], { check: true })
  if (stdout !== `${cycle}\n`) throw new Error(`cycle ${cycle} read ${JSON.stringify(stdout)}`)
  await box.fs.writeFile('/var/file', stdout)
  const child = box.spawn('cat')
  child.stdin.end('x')
  for await (const chunk of child.stdout) if (String(chunk) !== 'x') throw new Error('cat wrote something else')
  await child.wait()
  // Every other box is stopped first; the rest are removed by force.
  if (cycle % 2 === 0) await box.stop()
  await box.remove({ force: true })
}
