// Pulls an image with a progress bar; the argument is its reference.
import { Runtime } from '@boxlite/node'

await using runtime = await Runtime.open()
const pull = runtime.images.pull(process.argv[2] ?? 'alpine:3')

const arrived = new Map<string, number>()
let total = 0
for await (const event of pull) {
  if (event.type === 'resolved') total = event.bytes
  if (event.type === 'layerStart') arrived.set(event.digest, 0)
  if (event.type === 'layerProgress') arrived.set(event.digest, event.bytes)
  const sum = Array.from(arrived.values()).reduce((a, b) => a + b, 0)
  const part = total > 0 ? Math.min(sum / total, 1) : 0
  const bar = '#'.repeat(Math.round(part * 30)).padEnd(30, '.')
  process.stderr.write(`\r[${bar}] ${(part * 100).toFixed(0).padStart(3)} %  ${event.type.padEnd(13)}`)
}
const { reference, digest } = await pull
console.log(`\n${reference} ${digest}`)
