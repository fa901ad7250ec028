// A box that reaches one host, with one secret that it never has: API_KEY=… node locked-down.js [IMAGE] [URL] [AUTHORITIES], where the last
// is a PEM file for a host whose certificate this machine does not trust by itself. e2e/network/examples.test.ts runs this program.
import { Runtime } from '@boxlite/node'

const [image = 'curlimages/curl', url = 'https://api.github.com/user', ca] = process.argv.slice(2)
const host = new URL(url).hostname

await using runtime = await Runtime.open()
await using box = await runtime.create({
  image,
  network: { allow: [`${host}:443`], ...(ca !== undefined && { ca }) },
  secrets: [{ env: 'API_KEY', value: process.env.API_KEY ?? 'the key', hosts: [host] }],
})
const events = box.events()

// The program in the box has a placeholder, and the host gets the key.
console.log((await box.sh`echo "the box has $API_KEY"`).stdout.trim())
const call = await box.sh`curl -sS -o /dev/null -w %{http_code} -H "Authorization: Bearer $API_KEY" ${url}`
console.log(`${host} answers ${call.stdout || call.stderr}`)

// Anything else is refused at once, and told.
const { exitCode } = await box.sh`curl -sS https://example.com/`
console.log(`another host: curl ends with ${exitCode}`)
for await (const event of events) {
  if (event.type !== 'network') continue
  console.log(`refused: ${event.name}, by the rule ${event.rule}`)
  break
}
