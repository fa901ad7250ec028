// A box that is stopped until its host gives up the connection (after 60 s of silence) and is then continued. What was in transit must
// still arrive, exactly once, in both directions. Called by soak.mjs.
import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'

const CHUNK = 64 * 1024
const CHUNKS = 600

/**
 * @param {import('../../index.mjs').Box} box @param {number} seconds @param {(line: string) => void} say
 * @returns {Promise<string[]>}
 */
export async function freeze(box, seconds, say) {
  await box.start()
  const pid = Number((await box.info()).pid)
  const child = box.spawn('tee', ['/dev/stderr'])
  const sent = createHash('sha256')
  const writing = (async () => {
    for (let chunk = 0; chunk < CHUNKS; chunk++) {
      const data = randomBytes(CHUNK)
      sent.update(data)
      if (!child.stdin.write(data)) await once(child.stdin, 'drain')
      if (chunk === CHUNKS / 3) {
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
  const [digests, { exitCode }] = await Promise.all([Promise.all(streams), child.wait(), writing])
  const took = (performance.now() - began) / 1000
  say(`${CHUNKS} chunks of ${CHUNK} bytes, with a box that was stopped for ${seconds} s, took ${took.toFixed(0)} s`)
  const expected = sent.digest('hex')
  const faults = digests.flatMap((digest, stream) =>
    digest === expected ? [] : [`stream ${stream + 1} is not what was sent`],
  )
  if (exitCode !== 0) faults.push(`exit code ${exitCode}`)
  if (took < seconds) faults.push('it was not stopped')
  return faults
}
