// The figures, in the order in which they are measured and printed.
import { coldStart } from './cold-start.mjs'
import { copies } from './copy.mjs'
import { debian } from './debian.mjs'
import { execRoundTrip, twentyAtOnce } from './exec.mjs'
import { input } from './input.mjs'
import { pullLargeMemory } from './large.mjs'
import { cpuIdle, memory } from './memory.mjs'
import { network } from './network.mjs'
import { output } from './output.mjs'
import { pull } from './pull.mjs'
import { secondImage } from './second-image.mjs'
import { join, listFifty, twoProcesses } from './sharing.mjs'
import { addonAndShimSize, initramfsSize, kernelSize } from './size.mjs'
import { restart, stop } from './stop.mjs'

/** @type {import('../bench.mjs').Figure[]} */
export const figures = [
  pull,
  ...debian,
  pullLargeMemory,
  ...secondImage,
  coldStart,
  execRoundTrip,
  twentyAtOnce,
  output,
  input,
  ...copies,
  ...network,
  stop,
  restart,
  listFifty,
  join,
  twoProcesses,
  memory,
  cpuIdle,
  kernelSize,
  initramfsSize,
  addonAndShimSize,
]
