// The examples of networks, as users run them: examples/serve.ts and examples/locked-down.ts.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { networkLayout } from '../../../scripts/image/debian.mjs'
import { root } from '../../../scripts/paths.mjs'
import { runExample } from '../../support/example.js'
import { engine, useHomes } from '../../support/homes.js'
import { layout } from '../../support/images.js'
import { useInternet } from '../../support/internet.js'

const homes = useHomes()
const internet = useInternet(homes)
const example = (name: string) => readFileSync(join(root, 'examples', name), 'utf8')
const surroundings = () => ({
  cwd: root,
  env: { ...process.env, BOXLITE_HOME: homes.folder(), BOXLITE_ENGINE: engine, API_KEY: 'the-key-of-the-user' },
})

it('serve.ts: a web server in a box, opened from this machine', async () => {
  const result = await runExample(example('serve.ts'), [await layout(homes)], surroundings())
  expect(result.output).toMatch(/^open http:\/\/127\.0\.0\.1:\d+\/\n<h1>hello from the box<\/h1>\n200\n$/)
  expect(result.status).toBe(0)
})

it('locked-down.ts: one host gets the secret, which the box has not, and another is refused', async () => {
  const args = [await networkLayout(), 'https://api.web.example/noted', internet.authority]
  const { output, status } = await runExample(example('locked-down.ts'), args, {
    ...surroundings(),
    through: internet.through,
  })
  const [inside, ...rest] = output.trim().split('\n')
  expect(inside).toMatch(/^the box has boxlite-[a-z0-9]+-API_KEY-secret$/)
  expect(rest).toEqual([
    'api.web.example answers 200',
    'another host: curl ends with 6',
    'refused: example.com, by the rule default',
  ])
  expect(output).not.toContain('the-key-of-the-user')
  expect(status).toBe(0)
  const seen = await internet.seen()
  const headers = seen.flatMap(({ kind, detail }) => (kind === 'headers' ? [JSON.parse(detail ?? '')] : []))
  expect(headers).toEqual([expect.objectContaining({ authorization: 'Bearer the-key-of-the-user' })])
  // The name of the other host was asked of nobody.
  expect(seen.filter(({ kind, detail }) => kind === 'dns' && detail?.includes('example.com'))).toEqual([])
}, 900_000)
