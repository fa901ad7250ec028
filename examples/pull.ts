// Pulls an image and shows its progress: a bar on a terminal, a line for each step elsewhere. The argument is the image's reference.
import { type PullEvent, Runtime } from '@boxlite/node'

const { stderr } = process

await using runtime = await Runtime.open()
const pull = runtime.images.pull(process.argv[2] ?? 'alpine:3')
const show = stderr.isTTY ? bar() : line
for await (const event of pull) show(event)
const { reference, digest } = await pull
console.log(`${reference} ${digest}`)

/** One line, which is drawn again at every event. */
function bar(): (event: PullEvent) => void {
  const arrived = new Map<string, number>()
  let total = 0
  return event => {
    if (event.type === 'resolved') total = event.bytes
    if (event.type === 'layerStart') arrived.set(event.digest, 0)
    if (event.type === 'layerProgress') arrived.set(event.digest, event.bytes)
    const received = Array.from(arrived.values()).reduce((sum, bytes) => sum + bytes, 0)
    const part = event.type === 'done' ? 1 : total > 0 ? Math.min(received / total, 1) : 0
    const drawn = '█'.repeat(Math.round(part * 30)).padEnd(30, '░')
    const share = `${Math.floor(part * 100)} %`.padStart(5)
    stderr.write(`\r\x1b[K${drawn} ${share}  ${megabytes(received)} of ${megabytes(total)}  ${event.type}`)
    if (event.type === 'done') stderr.write('\n')
  }
}

function line(event: PullEvent): void {
  if (event.type === 'resolved') stderr.write(`${event.layers} layers, ${megabytes(event.bytes)}\n`)
  if (event.type === 'layerDone') stderr.write(`${event.digest} ${event.cached ? 'cached' : 'fetched'}\n`)
  if (event.type === 'assembling') stderr.write('making its root disk\n')
}

function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(1)} MB`
}
