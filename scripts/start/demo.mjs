// The demo: creates a box on the best engine of this machine, runs commands, stops it, starts it again and removes it, and prints the
// time of each stage of its two starts. Called by start.mjs. Uses a home of its own, which is removed afterwards.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { writeBusybox } from '../image/busybox.mjs'
import { say, seconds } from '../progress.mjs'
import { loadFace } from './face.mjs'
import { pullShown } from './pull.mjs'

/** @param {import('./options.mjs').StartOptions} options */
export async function demo({ engine, cpus, memoryMib }) {
  const { Runtime } = await loadFace()
  const folder = mkdtempSync(join(tmpdir(), 'boxlite-demo-'))
  const clean = () => rmSync(folder, { recursive: true, force: true })
  // The box ends with this process.
  const interrupted = () => {
    clean()
    process.exit(130)
  }
  for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, interrupted)
  try {
    const image = join(folder, 'busybox')
    await writeBusybox(image)
    const runtime = await Runtime.open({ home: join(folder, 'home'), engine })
    try {
      await pullShown(runtime, image)
      const box = await runtime.create({ image, name: 'demo', cpus, memoryMib })
      await firstStart(box)
      await box.stop()
      say('stopped')
      await secondStart(box)
      await box.remove({ force: true })
      say('removed')
    } finally {
      await runtime.close()
    }
  } finally {
    clean()
  }
}

/** @typedef {import('../../index.js').Box} Box */

const SCRIPT = 'uname -sr; for i in 1 2 3; do echo "line $i"; sleep 0.4; done'

/** @param {Box} box */
async function firstStart(box) {
  say(`\n$ sh -c '${SCRIPT}'`)
  const child = box.spawn('sh', ['-c', SCRIPT])
  for await (const chunk of child.stdout) process.stdout.write(chunk)
  const { exitCode } = await child.wait()
  say(`exit code ${exitCode}`)
  await report(box)
  await box.exec('sh', ['-c', 'echo "written before the stop" > /root/note'], { check: true })
  say('wrote /root/note')
}

/** @param {Box} box */
async function secondStart(box) {
  await box.start()
  const { stdout } = await box.exec('cat', ['/root/note'], { check: true })
  say(`started again; /root/note contains: ${stdout.trim()}`)
  await report(box)
}

/** @param {Box} box */
async function report(box) {
  const { engine, accelerated, timings } = await box.info()
  const stages = Object.entries(timings).map(([stage, ms]) => `${stage} ${seconds(ms)}`)
  say(`engine ${engine}, ${accelerated ? 'on hardware virtualisation' : 'by software emulation'}: ${stages.join(', ')}`)
}
