// The program that owns the runtime and can be killed at any moment: `node host.mjs '{"home":…,"engine":…,"image":…,"phase":…}'`.
// Reports on standard output what it does, one line each, including what the box acknowledges. Started by life.mjs.
//
//   listed ID ID …     the boxes that existed when the home was opened
//   removing ID        that box is being removed
//   box ID, made ID    a box exists: the one with the workload, or one of those that are only created and removed
//   phase NAME         the phase in which the kill is planned begins
//   intact W N         after a start: the records of writer W are intact up to N
//   bad TEXT           they are not
//   ack W N            the box has acknowledged that record N is durable
//   lost CODE STATE TEXT   the box has ended unexpectedly; a line on standard input makes this program start it again
//   missed TEXT        the kill hit nothing: it came before or after the phase, or the machine was already ending
//   closed             the program reached its end without a fault
import { once } from 'node:events'
import { renameSync } from 'node:fs'
import { Runtime } from '../../index.mjs'

/** @typedef {import('./plan.mjs').Phase} Phase */
/** @typedef {{ home: string, engine: 'qemu' | 'krun', image: string, phase: Phase | 'none', fresh: boolean, sabotaged?: string }} Order */

/** @type {Order} */
const { home, engine, image, phase, fresh, sabotaged } = JSON.parse(process.argv[2] ?? '{}')
const NAME = 'worker'
const WRITERS = ['0', '1']
const FOLDER = '/var/chaos'

/** @param {string} line */
const report = line => process.stdout.write(`${line}\n`)
/** The kill hit nothing of the box. */
class Missed extends Error {}

const resumed = once(process.stdin, 'data')

const runtime = await Runtime.open({ home, engine })
let known = await runtime.list()
report(`listed ${known.map(({ id }) => id).join(' ')}`)
if (fresh) await removeAll()
if (sabotaged) renameSync(sabotaged, process.env.BOXLITE_INITRAMFS ?? '')
if (phase === 'creating') await createEndlessly()
const existing = known.some(({ name }) => name === NAME)
const box = existing ? await runtime.get(NAME) : await runtime.create({ image, name: NAME, memoryMib: 128 })
report(`box ${box.id}`)
try {
  await runPhases()
} catch (error) {
  const { code = 'NONE' } = /** @type {{ code?: string }} */ (error)
  const text = String(error).replaceAll('\n', ' | ').slice(0, 400)
  report(error instanceof Missed ? `missed ${text}` : `lost ${code} ${(await box.wait()).state} ${text}`)
  await resumed
  // The box must start again in this process too.
  await box.start()
  await check()
  await work(20).done
}
await runtime.close()
report('closed')
process.exit(0)

/** Runs the box up to the kill. */
async function runPhases() {
  if (phase === 'starting') report('phase starting')
  await box.start()
  if (existing) await check()
  if (phase === 'none' || phase === 'starting') await work(40).done
  if (phase === 'none') return
  const { begun, done } = work()
  await begun
  if (phase === 'running') {
    report('phase running')
    await done
  }
  if (phase === 'stopping') report('phase stopping')
  await box.stop({ timeoutMs: 1000 })
  if (phase === 'stopping') throw new Missed('the box has stopped')
  if (phase === 'restarting') report('phase restarting')
  await box.start()
  await check()
  await work(40).done
  throw new Missed('the box has done its work')
}

/**
 * Starts the writers, without end or for `count` records each. `begun` resolves at the first acknowledged record, `done` when all have
 * ended.
 */
function work(count = -1) {
  /** @type {() => void} */
  let begin = () => {}
  /** @type {Promise<void>} */
  const first = new Promise(resolve => {
    begin = resolve
  })
  const done = Promise.all(WRITERS.map(writer => write(writer, count, begin)))
  const begun = Promise.race([first, done])
  // A rejection that is not awaited must not end the process.
  for (const promise of [begun, done]) promise.catch(() => {})
  return { begun, done }
}

/** @param {string} writer @param {number} count @param {() => void} begin is called at each record */
async function write(writer, count, begin) {
  const child = box.spawn('/bin/workload', ['run', FOLDER, writer, String(count)])
  child.stderr.resume()
  let rest = ''
  for await (const chunk of child.stdout) {
    const lines = (rest + chunk).split('\n')
    rest = lines.pop() ?? ''
    for (const line of lines) report(/^\d \d+$/.test(line) ? `ack ${line}` : `bad writer ${writer}: ${line}`)
    begin()
  }
  const { exitCode } = await child.wait()
  if (exitCode !== 0) throw Object.assign(new Error(`a writer ended with ${exitCode}`), { code: 'WRITER' })
}

/** Checks all records on the disk, from inside the box. */
async function check() {
  for (const writer of WRITERS) {
    const { exitCode, signal, stdout } = await box.exec('/bin/workload', ['check', FOLDER, writer])
    // The container's init was killed, and so the kernel killed this process too.
    if (signal !== null) throw Object.assign(new Error(`a check ended with ${signal}`), { code: 'WRITER' })
    report(exitCode === 0 ? `intact ${writer} ${stdout.trim()}` : `bad ${stdout.trim().replaceAll('\n', '; ')}`)
  }
}

/** Checks the worker's records a last time, then removes all boxes of the home. */
async function removeAll() {
  for (const { id, name } of known) {
    const old = await runtime.get(id)
    if (name === NAME) {
      const { exitCode, stdout } = await old.exec('sh', [
        '-c',
        `for w in ${WRITERS.join(' ')}; do /bin/workload check ${FOLDER} $w; done`,
      ])
      for (const [writer, line] of stdout.trim().split('\n').entries())
        report(exitCode === 0 ? `intact ${writer} ${line}` : `bad ${line}`)
    }
    report(`removing ${id}`)
    await old.remove({ force: true })
  }
  known = []
}

/** Creates and removes boxes as fast as possible. @returns {Promise<never>} */
async function createEndlessly() {
  for (let count = 0; ; count++) {
    if (count === 3) report('phase creating')
    const made = await runtime.create({ image, name: `brief-${process.pid}-${count}`, env: { COUNT: `${count}` } })
    report(`made ${made.id}`)
    if (count % 4 === 0) continue
    report(`removing ${made.id}`)
    await made.remove()
  }
}
