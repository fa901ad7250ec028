// A box that stands still until its host gives the connection up (60 s of silence), and then goes on: what was on its way in both
// directions arrives all the same, once. Called by soak.mjs.
import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'

const PIECE = 64 * 1024
const PIECES = 600

/**
 * @param {import('../../index.mjs').Box} box @param {number} seconds @param {(line: string) => void} say
 * @returns {Promise<string[]>}
 */
export async function freeze(box, seconds, say) {
  await box.start()
  const pid = Number((await box.info()).pid)
  const child = box.spawn('tee', ['/dev/stderr'])
  const sent = createHash('sha256')
  const feeding = (async () => {
    for (let piece = 0; piece < PIECES; piece++) {
      const data = randomBytes(PIECE)
      sent.update(data)
      if (!child.stdin.write(data)) await once(child.stdin, 'drain')
      if (piece === PIECES / 3) {
        process.kill(pid, 'SIGSTOP')
        setTimeout(() => process.kill(pid, 'SIGCONT'), seconds * 1000)
      }
      await sleep(5)
    }
    child.stdin.end()
  })()
  const streams = [child.stdout, child.stderr].map(async stream => {
    const hash = createHash('sha256')
    for await (const chunk of stream) hash.update(chunk)
    return hash.digest('hex')
  })
  const began = performance.now()
  const [digests, { exitCode }] = await Promise.all([Promise.all(streams), child.wait(), feeding])
  const took = (performance.now() - began) / 1000
  say(`${PIECES} pieces of ${PIECE} bytes, with a box that stood still for ${seconds} s, took ${took.toFixed(0)} s`)
  const expected = sent.digest('hex')
  const faults = digests.flatMap((digest, stream) =>
    digest === expected ? [] : [`stream ${stream + 1} is not what was sent`],
  )
  if (exitCode !== 0) faults.push(`exit code ${exitCode}`)
  if (took < seconds) faults.push('it did not stand still')
  return faults
}
