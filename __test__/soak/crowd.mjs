// Many boxes at once: all are started, used and stopped in parallel. Called by soak.mjs.
import { readFileSync } from 'node:fs'

/** The most host memory that one idle box of 128 MiB may take under emulation, including its translated code, in MiB. */
const EACH_MIB = 128
/** The most seconds of a start. A start takes about 1.5 s of CPU under emulation. */
const EACH_SECONDS = 10

/**
 * @param {import('../../index.mjs').Runtime} runtime @param {string} image @param {number} count @param {(line: string) => void} say
 * @returns {Promise<string[]>} the faults
 */
export async function crowd(runtime, image, count, say) {
  const began = performance.now()
  const seconds = () => (performance.now() - began) / 1000
  const free = availableMib()
  const boxes = await Promise.all(Array.from({ length: count }, () => runtime.create({ image, memoryMib: 128 })))
  const faults = await all(boxes, async (box, index) => {
    const { stdout } = await box.exec('sh', ['-c', `echo ${index}`], { check: true })
    if (stdout !== `${index}\n`) throw new Error(`box ${index} wrote ${JSON.stringify(stdout)}`)
  })
  const up = seconds()
  const each = Math.round((free - availableMib()) / count)
  faults.push(...(await all(boxes, box => box.stop({ timeoutMs: 2000 }))))
  const down = seconds() - up
  faults.push(...(await all(boxes, box => box.remove())))
  say(
    `${count} boxes: all up and used after ${up.toFixed(1)} s, stopped in ${down.toFixed(1)} s, ${each} MiB of the host each`,
  )
  if (up > EACH_SECONDS * count) faults.push(`they took ${up} s to start`)
  if (each > EACH_MIB) faults.push(`each takes ${each} MiB`)
  return faults
}

/** @template T @param {T[]} list @param {(item: T, index: number) => Promise<unknown>} work */
async function all(list, work) {
  const results = await Promise.allSettled(list.map(work))
  return results.flatMap(result => (result.status === 'rejected' ? [String(result.reason)] : []))
}

/** The host's available memory, in MiB (proc(5), MemAvailable). */
const availableMib = () => Number(/MemAvailable:\s+(\d+)/.exec(readFileSync('/proc/meminfo', 'utf8'))?.[1]) / 1024
