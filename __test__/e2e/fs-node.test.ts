// `box.fs` beside `node:fs`: what Node's own tests try is tried on both, and each allowed difference is a sentence of docs/api.md.

// `box.fs` beside `node:fs`: what Node's own tests try is tried on both, and each allowed difference is a sentence of docs/api.md.
import nodeFs, { readFileSync } from 'node:fs'
import promises from 'node:fs/promises'
import { join } from 'node:path'
import { inspect } from 'node:util'
import { beforeAll, describe, expect, it } from 'vitest'
import { root } from '../../scripts/paths.mjs'
import { cases, type Files, told } from '../support/file-cases.js'
import { useHomes } from '../support/homes.js'
import { layout } from '../support/images.js'

const homes = useHomes()
const { createReadStream, createWriteStream, constants } = nodeFs
const host = { ...promises, createReadStream, createWriteStream, constants } as Files
const docs = readFileSync(join(root, 'docs/api.md'), 'utf8').replace(/\s+/g, ' ')
let box: Files

beforeAll(async () => {
  const runtime = await homes.open()
  box = (await runtime.create({ image: await layout(homes, []) })).fs as unknown as Files
})

/** What came of a case, with the folder's name taken out. */
async function outcome(run: (typeof cases)[number]['run'], fs: Files, folder: string): Promise<string> {
  const umask = process.umask(0o022)
  try {
    const value = await run(fs, folder).catch(told)
    const text = inspect(value, {
      depth: 9,
      maxArrayLength: null,
      breakLength: Number.POSITIVE_INFINITY,
      compact: true,
    })
    return text.replaceAll(folder, 'FOLDER')
  } finally {
    process.umask(umask)
  }
}

describe('as Node has it', () => {
  it.each(cases)('$name', async ({ run, differs }) => {
    const [ours, theirs] = [
      await outcome(run, box, await box.mkdtemp('/tmp/case-')),
      await outcome(run, host, await promises.mkdtemp(join(homes.folder(), 'case-'))),
    ]
    if (differs === undefined) expect(ours).toBe(theirs)
    else expect(docs).toContain(differs.replace(/\s+/g, ' '))
  })
})
