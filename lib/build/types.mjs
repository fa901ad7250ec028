// Bundles the types of lib/ into index.d.ts, which is committed; with `--check` it only compares. Run by
// `npm run build:types` and `npm run check:types`. index.d.mts gives `import` the same types.
import { readFile, writeFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { generateDtsBundle } from 'dts-bundle-generator'

const root = fileURLToPath(new URL('../../', import.meta.url))
const NOTICE = '// Made from lib/ by `npm run build:types`: change that instead.\n'

const [types] = generateDtsBundle(
  [{ filePath: `${root}lib/index.ts`, output: { noBanner: true, exportReferencedTypes: false } }],
  { preferredConfigPath: `${root}tsconfig.json` },
)
const files = {
  'index.d.ts': NOTICE + types,
  'index.d.mts': `${NOTICE}export * from './index.js'\n`,
}

let stale = false
for (const [name, text] of Object.entries(files)) {
  if (!process.argv.includes('--check')) {
    await writeFile(root + name, text)
  } else if ((await readFile(root + name, 'utf8').catch(() => '')) !== text) {
    console.error(`${name} is not what lib/ says: run \`npm run build:types\` and commit it`)
    stale = true
  }
}
process.exitCode = stale ? 1 : 0
