// A box that reaches one host, with one secret that it never sees: node locked-down.js [IMAGE] [HOST] [AUTHORITIES], where the last is a
// PEM file for a host whose certificate this machine does not trust by itself. e2e/network/examples.test.ts runs this program.
import { Runtime } from '@boxlite/node'

const [image = 'curlimages/curl', host = 'httpbin.org', ca] = process.argv.slice(2)
const value = process.env.API_KEY ?? 'the real key'

await using runtime = await Runtime.open()
await using box = await runtime.create({
  image,
  network: { allow: [`${host}:443`], ...(ca !== undefined && { ca }) },
  secrets: [{ env: 'API_KEY', value, hosts: [host] }],
})
const events = box.events()

// The program in the box has a placeholder, and the host gets the key.
const { stdout } =
  await box.sh`echo "the box has $API_KEY"; curl -sS -H "Authorization: Bearer $API_KEY" https://${host}/headers`
console.log(stdout.trim())

// Anything else is refused at once, and told.
const { exitCode } = await box.sh`curl -sS https://example.com/`
console.log(`another host: curl ends with ${exitCode}`)
for await (const event of events) {
  if (event.type !== 'network') continue
  console.log(`refused: ${event.name}, by the rule ${event.rule}`)
  break
}
