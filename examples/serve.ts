// A web server in a box, opened from this machine: node serve.js [IMAGE]. The box itself needs no network for that and has none.
// e2e/network/examples.test.ts runs this program.
import { once } from 'node:events'
import { Runtime } from '@boxlite/node'

await using runtime = await Runtime.open()
await using box = await runtime.create({ image: process.argv[2] ?? 'busybox', network: 'none', ports: [8080] })

await box.fs.mkdir('/www')
await box.fs.writeFile('/www/index.html', '<h1>hello from the box</h1>\n')
// It listens on the box's own 127.0.0.1, which is reached all the same.
box.spawn('httpd', ['-f', '-p', '127.0.0.1:8080', '-h', '/www'])
await box.waitForPort(8080, { timeoutMs: 30_000 })

const [port] = await box.ports()
const url = `http://127.0.0.1:${port?.host}/`
console.log(`open ${url}`)
console.log((await (await fetch(url)).text()).trim())
// The same without a port of this machine:
console.log((await box.fetch('http://localhost:8080/')).status)

if (process.stdin.isTTY) {
  console.log('press Enter to end')
  await once(process.stdin, 'data')
  process.stdin.destroy()
}
