// The package as part of a bundle, by each bundler that programs for Node are made with, as an ES module and as CommonJS: it is made
// without a warning, and what was made boots a box. Next.js is not here for its size (340 MB); its two builders are webpack and
// Turbopack, and docs/packaging.md says what was seen of them.
import { mkdirSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { build as esbuild, stop } from 'esbuild'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { capture } from '../../scripts/command.mjs'
import { root } from '../../scripts/paths.mjs'
import { useApp } from '../support/app.js'
import { useHomes } from '../support/homes.js'
import { layout } from '../support/images.js'

const homes = useHomes()
const app = useApp(homes)
let image: string

const PROGRAM = `
import { BoxliteError, Runtime } from '@boxlite/node'

async function main() {
  const runtime = await Runtime.open()
  const box = await runtime.create({ image: process.argv[2] })
  console.log((await box.exec('echo', ['from a bundle'])).stdout.trim())
  await runtime.get('nobody').catch(error => console.log(error instanceof BoxliteError, error.code))
  await box.remove({ force: true })
  await runtime.close()
}
main().catch(error => {
  console.error(String(error))
  process.exitCode = 1
})
`

/** A bundler: makes `outfile` of `entry`, and gives its warnings. */
type Bundle = (entry: string, outfile: string, esm: boolean) => Promise<string[]>

const consumers = createRequire(join(root, '__test__/consumers/package.json'))
const load = async (name: string) => import(pathToFileURL(consumers.resolve(name)).href)

const BUNDLERS: Record<string, Bundle> = {
  async esbuild(entry, outfile, esm) {
    const { warnings } = await esbuild({
      entryPoints: [entry],
      outfile,
      bundle: true,
      platform: 'node',
      format: esm ? 'esm' : 'cjs',
      logLevel: 'silent',
    })
    return warnings.map(({ text }) => text)
  },

  async rollup(entry, outfile, esm) {
    const [{ rollup }, { default: resolve }] = await Promise.all(['rollup', '@rollup/plugin-node-resolve'].map(load))
    const warnings: string[] = []
    const onwarn = ({ message }: { message: string }) => void warnings.push(message)
    const bundle = await rollup({ input: entry, plugins: [resolve({ exportConditions: ['node'] })], onwarn })
    await bundle.write({ file: outfile, format: esm ? 'es' : 'cjs' })
    await bundle.close()
    return warnings
  },

  async webpack(entry, outfile, esm) {
    const { default: webpack } = await load('webpack')
    const config = {
      mode: 'production',
      target: 'node20',
      context: app.folder,
      entry,
      experiments: { outputModule: esm },
      output: {
        path: join(outfile, '..'),
        filename: outfile.slice(outfile.lastIndexOf('/') + 1),
        library: { type: esm ? 'module' : 'commonjs2' },
      },
    }
    const compiler = webpack(config)
    const stats = await new Promise<{ toJson(): { errors: object[]; warnings: object[] } }>((done, failed) =>
      compiler.run((error: Error | null, stats: never) => (error ? failed(error) : done(stats))),
    )
    await new Promise(done => compiler.close(done))
    const { errors, warnings } = stats.toJson()
    return [...errors, ...warnings].map(problem => JSON.stringify(problem).slice(0, 500))
  },

  async vite(entry, outfile, esm) {
    const { build, createLogger } = await import('vite')
    const warnings: string[] = []
    const logger = createLogger('warn')
    logger.warn = message => void warnings.push(message)
    await build({
      root: app.folder,
      configFile: false,
      customLogger: logger,
      ssr: { noExternal: true },
      build: {
        ssr: entry,
        outDir: join(outfile, '..'),
        emptyOutDir: false,
        rollupOptions: {
          output: { format: esm ? 'es' : 'cjs', entryFileNames: outfile.slice(outfile.lastIndexOf('/') + 1) },
        },
      },
    })
    return warnings
  },
}

beforeAll(async () => {
  image = await layout(homes)
  writeFileSync(join(app.folder, 'entry.mjs'), PROGRAM)
})
afterAll(() => stop())

describe.each(Object.keys(BUNDLERS))('%s', name => {
  it.each([
    ['an ES module', 'mjs'],
    ['CommonJS', 'cjs'],
  ])('makes %s that boots a box', async (_, extension) => {
    const outfile = join(app.folder, 'dist', `${name}.${extension}`)
    const warnings = await BUNDLERS[name]?.(join(app.folder, 'entry.mjs'), outfile, extension === 'mjs')
    expect(warnings).toEqual([])
    const { output, status } = await capture(process.execPath, [outfile, image], app.surroundings())
    expect(output).toBe('from a bundle\ntrue BOX_NOT_FOUND\n')
    expect(status).toBe(0)
  })
})

describe('where the package is not installed beside the bundle', () => {
  it('the error names the line that keeps it out, and that line works', async () => {
    const elsewhere = join(homes.folder(), 'server')
    mkdirSync(elsewhere)
    const entry = join(app.folder, 'entry.mjs')
    await BUNDLERS.esbuild?.(entry, join(elsewhere, 'all.mjs'), true)
    const failed = await capture(process.execPath, [join(elsewhere, 'all.mjs'), image], {
      ...app.surroundings(),
      cwd: elsewhere,
    })
    expect(failed.output).toContain('RuntimeError [PART_MISSING]: load native part: @boxlite/node-linux-x64-gnu is not')
    const line = "external: ['@boxlite/node']"
    expect(failed.output).toContain(line)
    expect(failed.status).toBe(1)

    const outfile = join(app.folder, 'dist', 'external.mjs')
    await esbuild({
      entryPoints: [entry],
      outfile,
      bundle: true,
      platform: 'node',
      format: 'esm',
      external: ['@boxlite/node'],
    })
    const { output, status } = await capture(process.execPath, [outfile, image], app.surroundings())
    expect(output).toBe('from a bundle\ntrue BOX_NOT_FOUND\n')
    expect(status).toBe(0)
  })
})
