// What `require` sees: compiled, never run, by `npm run typecheck`.
import boxlite = require('@boxlite/node')

async function main(): Promise<void> {
  const runtime: boxlite.Runtime = await boxlite.Runtime.open()
  const box = await runtime.create({ image: 'alpine:3' })
  const { stdout } = await box.exec('true')
  stdout.trim()
}

void main
