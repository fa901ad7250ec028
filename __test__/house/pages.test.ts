// The pieces of code in the pages of docs/ are held to the types that ship: each is compiled as a part of an async function that has
// `runtime`, `box` and `image`. What they do is shown by e2e tests.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import ts from 'typescript'
import { expect, it } from 'vitest'
import { root } from '../../scripts/paths.mjs'

const PAGES = ['docs/network.md', 'docs/api.md', 'docs/packaging.md', 'docs/troubleshooting.md']

/** The names that a piece of code may use, and what it may import. */
const HEAD = "import { Runtime, type Box } from '@boxlite/node'\nvoid Runtime\n"

interface Piece {
  /** The page and the line at which it begins. */
  at: string
  code: string
}

function pieces(page: string): Piece[] {
  const text = readFileSync(join(root, page), 'utf8')
  return Array.from(text.matchAll(/^```ts\n([\s\S]*?)^```$/gm), match => ({
    at: `${page}:${text.slice(0, match.index).split('\n').length + 1}`,
    code: match[1] ?? '',
  }))
}

/** Compiles programs in memory; the files that they import are those of the disk. Returns what is wrong, by the name of the program. */
function faults(programs: Map<string, string>): string[] {
  const { config } = ts.readConfigFile(join(root, 'tsconfig.types.json'), ts.sys.readFile)
  const { options: ours } = ts.parseJsonConfigFileContent(config, ts.sys, root)
  // As strict as most users are, and no stricter.
  const options = { ...ours, noEmit: true, noUnusedLocals: false, noUncheckedIndexedAccess: false }
  const host = ts.createCompilerHost(options)
  const path = (name: string) => join(root, `__test__/types/${name}.mts`)
  const sources = new Map(Array.from(programs, ([name, text]) => [path(name), text]))
  const { fileExists, readFile, getSourceFile } = host
  host.fileExists = name => sources.has(name) || fileExists(name)
  host.readFile = name => sources.get(name) ?? readFile(name)
  host.getSourceFile = (name, target) => {
    const text = sources.get(name)
    return text === undefined ? getSourceFile(name, target) : ts.createSourceFile(name, text, target)
  }
  const program = ts.createProgram(Array.from(sources.keys()), options, host)
  return ts.getPreEmitDiagnostics(program).map(({ file, start, messageText }) => {
    const line =
      file && start !== undefined ? ts.getLineAndCharacterOfPosition(file, start).line - HEAD.split('\n').length : 0
    return `${file?.fileName} + ${line}: ${ts.flattenDiagnosticMessageText(messageText, ' ')}`
  })
}

it('the code of pages has the types that ship, and what has not is found', () => {
  const found = PAGES.flatMap(pieces)
  expect(found.length).toBeGreaterThan(8)
  const programs = found.map(({ at, code }): [string, string] => {
    const body = `export async function piece(runtime: Runtime, box: Box, image: string) {\n{\n${code}}\nvoid [runtime, box, image]\n}\n`
    return [at.replace(/\W/g, '-'), HEAD + body]
  })
  const wrong =
    "void ((runtime: Runtime) => runtime.create({ image: 'a', network: { alow: [] } }))\nexport type { Box }\n"
  const [known, ...rest] = faults(new Map([['AAA-wrong', HEAD + wrong], ...programs]))
  expect(known).toMatch(/AAA-wrong.*alow/)
  expect(rest).toEqual([])
}, 300_000)
