// A real Debian image with python3 (about 190 MB unpacked) from a registry on loopback to a disk that boots, beside
// `skopeo copy` and `umoci unpack` of the same image to a folder; and the most memory that a process which only pulls has.
//
// Both take turns, so that a disturbance meets both, and all figures are medians of the same runs. The ratio of processor
// time holds on a busy machine too, where that of time is noise.
import { debianLayout } from '../../scripts/image/debian.mjs'
import { serveLayout } from '../../scripts/image/registry.mjs'
import { middle } from '../clock.mjs'
import { pullInChild } from '../pull-child.mjs'
import { skopeoAndUmoci } from '../skopeo-umoci.mjs'

const TURNS = 5

/** @typedef {Awaited<ReturnType<typeof turns>>} Turns */
/** @type {Promise<Turns> | undefined} */
let taken

/** What all turns took, measured once. @param {import('../bench.mjs').Bench} bench */
function measured(bench) {
  taken ??= turns(bench)
  return taken
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
