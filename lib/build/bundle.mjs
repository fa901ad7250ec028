// Bundles lib/ into index.js (CommonJS) and index.mjs. The latter only re-exports the former: with one copy of the classes
// `instanceof` holds, whichever way a program and its libraries load the package. Run by `npm run build:js`.
import { writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'

const root = fileURLToPath(new URL('../../', import.meta.url))
const NOTICE = '// Made from lib/ by `npm run build:js`: change that instead.'

await build({
  absWorkingDir: root,
  entryPoints: ['lib/index.ts'],
  outfile: 'index.js',
  bundle: true,
  platform: 'node',
  format: 'cjs',
  target: 'node20.5',
  banner: { js: NOTICE },
  logLevel: 'warning',
})

const names = Object.keys(createRequire(import.meta.url)(`${root}index.js`)).sort()
await writeFile(
  `${root}index.mjs`,
  `${NOTICE}\nimport boxlite from './index.js'\n\nexport const {\n${names.map(name => `  ${name},\n`).join('')}} = boxlite\n`,
)
