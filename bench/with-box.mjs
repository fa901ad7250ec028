// Provides a running box during a measurement. Called by the figures.

/**
 * @template T
 * @param {import('./bench.mjs').Bench} bench @param {(box: import('../index.js').Box) => Promise<T>} use
 * @param {Partial<import('../index.js').BoxOptions>} [options]
 */
export async function withBox({ runtime, image }, use, options = {}) {
  const box = await runtime.create({ image, network: 'none', ...options })
  try {
    await box.exec('true', [], { check: true })
    return await use(box)
  } finally {
    await box.remove({ force: true })
  }
}
