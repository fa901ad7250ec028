// Provides a running box during a measurement. Called by the figures.

/**
 * @template T
 * @param {import('./bench.mjs').Bench} bench @param {(box: import('../index.js').Box) => Promise<T>} use
 */
export async function withBox({ runtime, image }, use) {
  const box = await runtime.create({ image })
  try {
    await box.exec('true', [], { check: true })
    return await use(box)
  } finally {
    await box.remove({ force: true })
  }
}
