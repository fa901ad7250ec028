// The limits of the figures: maxima of times and sizes, minima of rates. Times on libkrun are lab milliseconds (KVM lab with --icount,
// 1 CPU, 512 MiB); times on QEMU are for emulation on an idle machine; sizes and ratios apply anywhere. Called by bench.mjs.

/** @type {Record<string, number>} */
const sizes = {
  pullPeakMemory: 150,
  pullLargePeakMemory: 150,
  pullDebianToSkopeoUmoci: 0.5,
  pullDebianToSkopeoUmociCpu: 0.5,
  secondImageDownload: 1,
  secondImageBase: 0,
  kernelSize: 14,
  initramfsSize: 5,
  addonAndShimSize: 25,
}
/** @type {Record<string, Record<string, number>>} */
const times = {
  krun: {
    listFifty: 50,
    joinToExec: 50,
    twoProcessesToOne: 1.2,
    coldStart: 450,
    execRoundTrip: 2,
    twentyAtOnce: 20,
    stop: 60,
    restart: 400,
    memoryIdle: 48,
    cpuIdle: 0.2,
    copyInSmall: 500,
    copyOutSmall: 500,
    smallRequest: 2,
    networkStart: 12,
    networkMemory: 2,
  },
  qemu: { coldStart: 3000 },
}
/** @type {Record<string, Record<string, number>>} */
const rates = { krun: { output: 60, input: 60, copyIn: 50, copyOut: 50, download: 60, upload: 60 } }

/**
 * Returns the limit of a figure, if it has one, and whether the value is within it.
 * @param {string} figure @param {number} value @param {{ engine: string, lab: boolean }} setting
 * @returns {{ limit?: number, ok?: boolean }}
 */
export function judge(figure, value, { engine, lab }) {
  const here = engine === 'qemu' || lab
  const most = sizes[figure] ?? (here ? times[engine]?.[figure] : undefined)
  if (most !== undefined) return { limit: most, ok: value <= most }
  const least = here ? rates[engine]?.[figure] : undefined
  return least === undefined ? {} : { limit: least, ok: value >= least }
}
