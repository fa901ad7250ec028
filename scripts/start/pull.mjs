// Pulls an image and shows its progress: a bar on a terminal, a line for each step elsewhere, and nothing if the image is in the cache.
// Called by demo.mjs and run.mjs before they create a box. `examples/pull.ts` is a simpler version for readers.
const { stderr } = process

/** @typedef {import('../../index.js').PullEvent} PullEvent */

/** @param {import('../../index.js').Runtime} runtime @param {string} image */
export async function pullShown(runtime, image) {
  const pull = runtime.images.pull(image)
  const show = stderr.isTTY === true ? bar(image) : line
  for await (const event of pull) show(event)
  return await pull
}

/** One line, which is drawn again at every event and erased at the end. @param {string} image @returns {(event: PullEvent) => void} */
function bar(image) {
  /** @type {Map<string, number>} */
  const arrived = new Map()
  let total = 0
  return event => {
    if (event.type === 'done') return void stderr.write('\r\x1b[K')
    if (event.type === 'resolved') total = event.bytes
    if (event.type === 'layerProgress') arrived.set(event.digest, event.bytes)
    const received = [...arrived.values()].reduce((sum, bytes) => sum + bytes, 0)
    const part = event.type === 'assembling' ? 1 : total > 0 ? Math.min(received / total, 1) : 0
    const drawn = '█'.repeat(Math.round(part * 30)).padEnd(30, '░')
    const share = `${Math.floor(part * 100)} %`.padStart(5)
    const what =
      event.type === 'assembling' ? 'building its root disk' : `${megabytes(received)} of ${megabytes(total)}`
    stderr.write(`\r\x1b[K${image.slice(-30)} ${drawn} ${share}  ${what}`)
  }
}

/** @param {PullEvent} event */
function line(event) {
  if (event.type === 'resolved') stderr.write(`image of ${event.layers} layers, ${megabytes(event.bytes)}\n`)
  if (event.type === 'layerDone' && !event.cached) stderr.write(`${event.digest} fetched\n`)
  if (event.type === 'assembling') stderr.write('building its root disk\n')
}

/** @param {number} bytes */
const megabytes = bytes => `${(bytes / 1e6).toFixed(1)} MB`
