// An interactive shell in a box: node shell.js [IMAGE] [COMMAND…]. Its exit code is the shell's; the box is removed afterwards.
// e2e/shell.test.ts types at this one.
import { Runtime } from '@boxlite/node'

const [image = 'alpine:3', command = 'sh', ...args] = process.argv.slice(2)
const { stdin, stdout } = process
const size = () => ({ cols: stdout.columns ?? 80, rows: stdout.rows ?? 24 })

await using runtime = await Runtime.open()
await using box = await runtime.create({ image })
await box.start()

const shell = box.spawn(command, args, { tty: size(), env: { TERM: process.env.TERM } })
const resize = () => shell.resize(size().cols, size().rows).catch(() => {}) // it may have ended a moment ago
stdout.on('resize', resize)
// Raw: every key goes to the terminal in the box, Ctrl-C and Ctrl-D too, and that one echoes.
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
