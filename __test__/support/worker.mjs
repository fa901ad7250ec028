// A worker thread that opens a home, uses one of its boxes and posts the result: `new Worker(worker.mjs, { workerData })`. As a program,
// `node worker.mjs OPTIONS`, it runs three such threads one after the other without loading the library itself.
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads'

if (isMainThread) {
  const { options, name } = JSON.parse(process.argv[2] ?? '{}')
  for (let i = 0; i < 3; i++) {
    const worker = new Worker(fileURLToPath(import.meta.url), { workerData: { options, name, close: i !== 1 } })
    const exited = once(worker, 'exit')
    const [result] = await once(worker, 'message')
    await exited
    console.log(result)
  }
} else {
  const { Runtime } = await import('../../index.mjs')
  const { options, name, close, endless } = workerData
  const runtime = await Runtime.open(options)
  const box = await runtime.get(name)
  const { stdout } = await box.exec('hostname')
  if (endless) {
    box.exec('yes', { maxBuffer: Number.MAX_SAFE_INTEGER })
    box.spawn('sleep', ['1000'])
    box.spawn('tail', ['-f', '/dev/null'], { detached: true })
  }
  parentPort?.postMessage(stdout.trim())
  if (close) await runtime.close()
}
