// Worker threads: they share the homes of their process, and one that ends, however it ends, takes nothing from the others.
import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { Worker } from 'node:worker_threads'
import { beforeAll, expect, it } from 'vitest'
import type { Box } from '../../index.mjs'
import { engine, useHomes } from '../support/homes.js'
import { layout } from '../support/images.js'

const homes = useHomes()
const program = fileURLToPath(new URL('../support/worker.mjs', import.meta.url))
let box: Box
let options: { home: string; engine: string }

beforeAll(async () => {
  options = { home: homes.folder(), engine }
  const runtime = await homes.open({ home: options.home })
  box = await runtime.create({ image: await layout(homes), name: 'threads' })
  await box.start()
})

/** Starts a worker and waits until it has used the box. Its end, which may come as soon, is `exited`. */
async function startWorker(data: object): Promise<{ worker: Worker; exited: Promise<unknown[]> }> {
  const worker = new Worker(program, { workerData: { options, name: 'threads', ...data } })
  const exited = once(worker, 'exit')
  const [said] = await once(worker, 'message')
  expect(said).toBe('threads')
  return { worker, exited }
}

it('a worker uses a box that the main thread started, and closing there leaves it', async () => {
  const { exited } = await startWorker({ close: true })
  expect(await exited).toEqual([0])
  expect((await box.exec('true')).exitCode).toBe(0)
})

it('eight workers at once, and each ends by itself', async () => {
  const workers = await Promise.all(Array.from({ length: 8 }, (_, i) => startWorker({ close: i % 2 === 0 })))
  expect(await Promise.all(workers.map(({ exited }) => exited))).toEqual(workers.map(() => [0]))
  expect((await box.exec('true')).exitCode).toBe(0)
})

it('a worker that is terminated in the middle of a command takes nothing along', async () => {
  for (let i = 0; i < 3; i++) {
    const { worker } = await startWorker({ endless: true })
    await expect.poll(async () => (await box.executions()).length, { timeout: 30_000 }).toBe(3)
    await worker.terminate()
    // What belonged to it has ended with it, but for what was detached.
    await expect.poll(async () => (await box.executions()).map(({ command }) => command)).toEqual(['tail'])
    await box.execution(String((await box.executions())[0]?.id)).kill('SIGKILL')
    await expect.poll(async () => (await box.executions()).length).toBe(0)
  }
  expect((await box.exec('true')).exitCode).toBe(0)
})

it('the addon is loaded and unloaded by workers alone, again and again', async () => {
  // The machine belongs to this process; there it is joined.
  const { stdout } = await promisify(execFile)(process.execPath, [
    program,
    JSON.stringify({ options, name: 'threads' }),
  ])
  expect(stdout).toBe('threads\nthreads\nthreads\n')
})
