// The example in README.md. e2e/readme.test.ts checks that the two are equal and runs it.
import { Runtime } from '@boxlite/node'

await using runtime = await Runtime.open()
await using box = await runtime.create({ image: process.argv[2] ?? 'alpine:3' })

const { stdout } = await box.exec('sh', ['-c', 'echo "hello from $(uname -sr)"'])
console.log(stdout.trim())

const child = box.spawn('wc', ['-c'])
child.stdin.end('counted inside the box')
for await (const chunk of child.stdout) process.stdout.write(chunk)

const { exitCode } = await child.wait()
console.log(`exit code ${exitCode}`)
