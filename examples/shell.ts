// An interactive shell in a box: node shell.js [IMAGE] [COMMAND…]. The program exits with the shell's exit code, and the box is removed
// afterwards. e2e/shell.test.ts runs this program.
import { Runtime } from '@boxlite/node'

const [image = 'alpine:3', command = 'sh', ...args] = process.argv.slice(2)
const { stdin, stdout } = process
const size = () => ({ cols: stdout.columns ?? 80, rows: stdout.rows ?? 24 })

await using runtime = await Runtime.open()
await using box = await runtime.create({ image })
await box.start()

const shell = box.spawn(command, args, { tty: size(), env: { TERM: process.env.TERM } })
const resize = () => shell.resize(size().cols, size().rows).catch(() => {}) // the shell may have ended meanwhile
stdout.on('resize', resize)
// In raw mode every key, also Ctrl-C and Ctrl-D, is sent to the terminal in the box, which echoes it.
stdin.setRawMode?.(true)
stdin.pipe(shell.stdin)
shell.stdout.pipe(stdout, { end: false })
try {
  const { exitCode } = await shell.wait()
  process.exitCode = exitCode ?? 1
} finally {
  stdout.off('resize', resize)
  stdin.setRawMode?.(false)
  stdin.unpipe(shell.stdin)
  stdin.destroy()
}
