// The limits that the figures are held to. Times on libkrun are lab milliseconds (KVM lab with --icount, 1 CPU, 512 MiB);
// times on QEMU are for emulation on an idle machine; sizes and shares hold anywhere. Called by bench.mjs.

/** @type {Record<string, number>} */
const sizes = {
  pullPeakMemory: 150,
  pullDebianToSkopeoUmoci: 0.5,
  kernelSize: 14,
  initramfsSize: 5,
  addonAndShimSize: 25,
}
/** @type {Record<string, Record<string, number>>} */
const times = {
  krun: { coldStart: 450, execRoundTrip: 2, stop: 100, copyInSmall: 2500, copyOutSmall: 2500 },
  qemu: { coldStart: 3000 },
}

/** @param {string} figure @param {{ engine: string, lab: boolean }} setting */
export function limitFor(figure, { engine, lab }) {
  return sizes[figure] ?? (engine === 'qemu' || lab ? times[engine]?.[figure] : undefined)
}
