// The program that owns the runtime and may die at any moment: `node host.mjs '{"home":…,"engine":…,"image":…,"phase":…}'`.
// Tells on standard output what it does, one line each, and passes on what the box acknowledges. Started by life.mjs.
//
//   listed ID ID …     the boxes that were there when the home was opened
//   removing ID        from now on that box may be gone, and later must be
//   box ID, made ID    a box exists: the one that works, or one of the many that only come and go
//   phase NAME         the phase that the blow is meant for begins now
//   kept W N           after a start: writer W's records are whole up to N     bad TEXT: they are not
//   ack W N            the box says that record N is durable
//   lost CODE STATE TEXT   the box is gone, and how it ended; a line on standard input goes on with it
//   missed TEXT        the blow met nobody: it fell before or after the phase, or on a machine that was ending anyway
//   closed             everything went well to the end
import { once } from 'node:events'
import { renameSync } from 'node:fs'
import { Runtime } from '../../index.mjs'

/** @typedef {import('./plan.mjs').Phase} Phase */
/** @typedef {{ home: string, engine: 'qemu' | 'krun', image: string, phase: Phase | 'none', fresh: boolean, doomed?: string }} Order */

/** @type {Order} */
const { home, engine, image, phase, fresh, doomed } = JSON.parse(process.argv[2] ?? '{}')
const NAME = 'worker'
const WRITERS = ['0', '1']
const FOLDER = '/var/chaos'

/** @param {string} line */
const tell = line => process.stdout.write(`${line}\n`)
/** Nothing of the box was hit. */
class Missed extends Error {}

const onward = once(process.stdin, 'data')

const runtime = await Runtime.open({ home, engine })
let known = await runtime.list()
tell(`listed ${known.map(({ id }) => id).join(' ')}`)
if (fresh) await removeAll()
if (doomed) renameSync(doomed, process.env.BOXLITE_INITRAMFS ?? '')
if (phase === 'creating') await createForEver()
const existing = known.some(({ name }) => name === NAME)
const box = existing ? await runtime.get(NAME) : await runtime.create({ image, name: NAME, memoryMib: 128 })
tell(`box ${box.id}`)
try {
  await live()
} catch (error) {
  const { code = 'NONE' } = /** @type {{ code?: string }} */ (error)
  const text = String(error).replaceAll('\n', ' | ').slice(0, 400)
  tell(error instanceof Missed ? `missed ${text}` : `lost ${code} ${(await box.wait()).state} ${text}`)
  await onward
  // In the same process, the box must come back as well as in another.
  await box.start()
  await check()
  await work(20).done
}
await runtime.close()
tell('closed')
process.exit(0)

/** One life of the box, up to the blow. */
async function live() {
  if (phase === 'starting') tell('phase starting')
  await box.start()
  if (existing) await check()
  if (phase === 'none' || phase === 'starting') await work(40).done
  if (phase === 'none') return
  const { begun, done } = work()
  await begun
  if (phase === 'running') {
    tell('phase running')
    await done
  }
  if (phase === 'stopping') tell('phase stopping')
  await box.stop({ timeoutMs: 1000 })
  if (phase === 'stopping') throw new Missed('the box has stopped')
  if (phase === 'restarting') tell('phase restarting')
  await box.start()
  await check()
  await work(40).done
  throw new Missed('the box has done its work')
}

/** Writers at work, for ever or `count` records each: when the first record is acknowledged, and when all ended. */
function work(count = -1) {
  /** @type {() => void} */
  let begin = () => {}
  /** @type {Promise<void>} */
  const first = new Promise(resolve => {
    begin = resolve
  })
  const done = Promise.all(WRITERS.map(writer => write(writer, count, begin)))
  const begun = Promise.race([first, done])
  // Whoever awaits them is told; whoever does not, need not be.
  for (const promise of [begun, done]) promise.catch(() => {})
  return { begun, done }
}

/** @param {string} writer @param {number} count @param {() => void} begin called at each record */
async function write(writer, count, begin) {
  const child = box.spawn('/bin/workload', ['run', FOLDER, writer, String(count)])
  child.stderr.resume()
  let rest = ''
  for await (const chunk of child.stdout) {
    const lines = (rest + chunk).split('\n')
    rest = lines.pop() ?? ''
    for (const line of lines) tell(/^\d \d+$/.test(line) ? `ack ${line}` : `bad writer ${writer}: ${line}`)
    begin()
  }
  const { exitCode } = await child.wait()
  if (exitCode !== 0) throw Object.assign(new Error(`a writer ended with ${exitCode}`), { code: 'WRITER' })
}

/** Every record that is on the disk, looked at from the inside. */
async function check() {
  for (const writer of WRITERS) {
    const { exitCode, signal, stdout } = await box.exec('/bin/workload', ['check', FOLDER, writer])
    // The container's init was killed, and the kernel took this with it.
    if (signal !== null) throw Object.assign(new Error(`a check ended with ${signal}`), { code: 'WRITER' })
    tell(exitCode === 0 ? `kept ${writer} ${stdout.trim()}` : `bad ${stdout.trim().replaceAll('\n', '; ')}`)
  }
}

/** Looks at the worker's records a last time, then clears the home of boxes. */
async function removeAll() {
  for (const { id, name } of known) {
    const old = await runtime.get(id)
    if (name === NAME) {
      const { exitCode, stdout } = await old.exec('sh', [
        '-c',
        `for w in ${WRITERS.join(' ')}; do /bin/workload check ${FOLDER} $w; done`,
      ])
      for (const [writer, line] of stdout.trim().split('\n').entries())
        tell(exitCode === 0 ? `kept ${writer} ${line}` : `bad ${line}`)
    }
    tell(`removing ${id}`)
    await old.remove({ force: true })
  }
  known = []
}

/** Boxes that come and go as fast as they can. @returns {Promise<never>} */
async function createForEver() {
  for (let count = 0; ; count++) {
    if (count === 3) tell('phase creating')
    const made = await runtime.create({ image, name: `brief-${process.pid}-${count}`, env: { COUNT: `${count}` } })
    tell(`made ${made.id}`)
    if (count % 4 === 0) continue
    tell(`removing ${made.id}`)
    await made.remove()
  }
}
