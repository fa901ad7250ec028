// Bundles lib/ into index.js (CommonJS), index.mjs and bundle.mjs. index.mjs only re-exports the former: with one copy of the classes
// `instanceof` holds, whichever way a program and its libraries load the package. bundle.mjs is what bundlers take, by the condition
// `module` of package.json: all of it as one ES module, with no `require` that they would have to understand. Run by
// `npm run build:js`.
import { writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'

const root = fileURLToPath(new URL('../../', import.meta.url))
const NOTICE = '// Made from lib/ by `npm run build:js`: change that instead.'
const OWN_URL = "const ownUrl = require('node:url').pathToFileURL(__filename).href"

/** @type {import('esbuild').BuildOptions} */
const shared = {
  absWorkingDir: root,
  entryPoints: ['lib/index.ts'],
  bundle: true,
  platform: 'node',
  target: 'node20.5',
  logLevel: 'warning',
}

await build({
  ...shared,
  outfile: 'index.js',
  format: 'cjs',
  define: { 'import.meta.url': 'ownUrl' },
  banner: { js: `${NOTICE}\n'use strict'\n${OWN_URL}` },
})
await build({ ...shared, outfile: 'bundle.mjs', format: 'esm', banner: { js: NOTICE } })

const names = Object.keys(createRequire(import.meta.url)(`${root}index.js`)).sort()
await writeFile(
  `${root}index.mjs`,
  `${NOTICE}\nimport boxlite from './index.js'\n\nexport const {\n${names.map(name => `  ${name},\n`).join('')}} = boxlite\n`,
)
