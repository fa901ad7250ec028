// Pulling a real Debian image with python3 (about 190 MB unpacked) from a registry on loopback to a disk that boots, compared with
// `skopeo copy` and `umoci unpack` of the same image to a folder; and the peak memory of a process that only pulls.
//
// Both are run in turns, so that a disturbance affects both, and all figures are medians of the same runs. The ratio of processor time
// is reliable on a busy machine too, where the ratio of time is not.
import { debianLayout } from '../../scripts/image/debian.mjs'
import { serveLayout } from '../../scripts/image/registry.mjs'
import { middle } from '../clock.mjs'
import { pullInChild } from '../pull-child.mjs'
import { skopeoAndUmoci } from '../skopeo-umoci.mjs'

const TURNS = 5

/** @typedef {Awaited<ReturnType<typeof turns>>} Turns */
/** @type {Promise<Turns> | undefined} */
let pending

/** Runs all turns, once for all figures. @param {import('../bench.mjs').Bench} bench */
function measured(bench) {
  pending ??= turns(bench)
  return pending
}

/** @param {import('../bench.mjs').Bench} bench */
async function turns({ folder }) {
  const registry = await serveLayout(await debianLayout())
  const image = `${registry.host}/debian:12`
  try {
    const ours = []
    const theirs = []
    for (let turn = 0; turn < TURNS; turn++) {
      ours.push(await pullInChild(image, folder()))
      theirs.push(await skopeoAndUmoci(image, folder()))
    }
    return {
      ours: middle(ours.map(({ ms }) => ms)),
      theirs: middle(theirs.map(({ ms }) => ms)),
      ourCpu: middle(ours.map(({ cpuMs }) => cpuMs)),
      theirCpu: middle(theirs.map(({ cpuMs }) => cpuMs)),
      bytes: Math.max(...ours.map(({ bytes }) => bytes)),
    }
  } finally {
    await registry.stop()
  }
}

/** @param {string} name @param {string} unit @param {(turns: Turns) => number} value @returns {import('../bench.mjs').Figure} */
function figure(name, unit, value) {
  return { name, unit, notInLab: true, measure: async bench => value(await measured(bench)) }
}

export const debian = [
  figure('pullDebian', 'ms', ({ ours }) => ours),
  figure('skopeoUmociDebian', 'ms', ({ theirs }) => theirs),
  figure('pullDebianToSkopeoUmoci', 'of their time', ({ ours, theirs }) => ours / theirs),
  figure('pullDebianCpu', 'ms of processor', ({ ourCpu }) => ourCpu),
  figure('pullDebianToSkopeoUmociCpu', 'of their processor time', ({ ourCpu, theirCpu }) => ourCpu / theirCpu),
  figure('pullPeakMemory', 'MB', ({ bytes }) => bytes / 1e6),
]
