// `npm start -- --image REF -- COMMAND`: runs one command in a box of its own, on our terminal if there is one. The box is removed
// afterwards; the image stays in the cache. Called by start.mjs.
import { statusOf } from '../command.mjs'
import { say } from '../progress.mjs'
import { loadFace } from './face.mjs'
import { pullShown } from './pull.mjs'

/**
 * @param {import('./options.mjs').StartOptions & { image: string }} options
 * @returns {Promise<number>} the command's status
 */
export async function run({ image, command, engine, registries, cpus, memoryMib, home }) {
  const { Runtime } = await loadFace()
  const runtime = await Runtime.open({ engine, registries, ...(home === undefined ? {} : { home }) })
  try {
    await pullShown(runtime, image)
    const box = await runtime.create({ image, cpus, memoryMib })
    try {
      return await connect(box, command)
    } finally {
      await box.remove({ force: true })
    }
  } finally {
    await runtime.close()
  }
}

const FORWARDED = ['SIGINT', 'SIGTERM', 'SIGHUP']

/** @param {import('../../index.js').Box} box @param {string[]} command */
async function connect(box, [command = 'sh', ...args]) {
  const { stdin, stdout, stderr } = process
  const tty = stdin.isTTY && stdout.isTTY
  await box.start()
  const size = () => ({ cols: stdout.columns || 80, rows: stdout.rows || 24 })
  const child = box.spawn(command, args, tty ? { tty: size() } : {})
  const resize = () => void child.resize(size().cols, size().rows).catch(() => {})
  if (tty) {
    stdin.setRawMode(true)
    stdout.on('resize', resize)
  }
  // The signal ends the command, and then the box is removed as usual.
  const forward = (/** @type {NodeJS.Signals} */ signal) => void child.kill(signal).catch(() => {})
  for (const signal of FORWARDED) process.on(signal, forward)
  stdin.pipe(child.stdin)
  child.stdin.on('error', () => {})
  child.stdout.pipe(stdout, { end: false })
  child.stderr.pipe(stderr, { end: false })
  try {
    const { exitCode, signal } = await child.wait()
    if (signal) say(`ended by ${signal}`)
    return statusOf(exitCode, signal)
  } finally {
    for (const signal of FORWARDED) process.off(signal, forward)
    if (tty) {
      stdin.setRawMode(false)
      stdout.off('resize', resize)
    }
    stdin.unpipe().unref?.()
    stdin.destroy()
  }
}
