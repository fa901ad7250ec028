// The command line of `npm start`. Called by start.mjs.
import { parseArgs } from 'node:util'
import { Failure } from '../failure.mjs'

export const usage = `usage: npm start                                shows the life of a box
       npm start -- [OPTIONS] --image REF [-- COMMAND ARGUMENTS…]
                                                runs COMMAND (default: sh) in a box of that image, and exits with its status

  --image REF      an image of any registry, or an OCI layout folder
  --engine NAME    auto (default), krun or qemu
  --http HOST      use plain HTTP with this registry; may be repeated
  --memory MIB     default 512
  --cpus N         default 1
  --home FOLDER    the folder of boxes and images (default: $BOXLITE_HOME, else ~/.boxlite; the demo uses a fresh folder)
  --help
`

/** @typedef {ReturnType<typeof parseOptions>} StartOptions */

/** @param {string[]} args */
export function parseOptions(args) {
  const { values, positionals } = parse(args)
  if (positionals.length > 0 && values.image === undefined) {
    throw new Failure(`no image to run \`${positionals.join(' ')}\` in`, 'npm start -- --image REF -- COMMAND', 2)
  }
  return {
    help: values.help === true,
    image: values.image,
    command: positionals,
    engine: /** @type {'auto' | 'krun' | 'qemu'} */ (values.engine ?? 'auto'),
    registries: (values.http ?? []).map(host => ({ host, http: true })),
    memoryMib: number('--memory', values.memory, 512),
    cpus: number('--cpus', values.cpus, 1),
    home: values.home,
  }
}

/** @param {string[]} args */
function parse(args) {
  try {
    return parseArgs({
      args,
      allowPositionals: true,
      options: {
        help: { type: 'boolean', short: 'h' },
        image: { type: 'string' },
        engine: { type: 'string' },
        http: { type: 'string', multiple: true },
        memory: { type: 'string' },
        cpus: { type: 'string' },
        home: { type: 'string' },
      },
    })
  } catch (error) {
    throw new Failure(error instanceof Error ? error.message : String(error), 'npm start -- --help', 2)
  }
}

/** @param {string} name @param {string | undefined} text @param {number} otherwise */
function number(name, text, otherwise) {
  if (text === undefined) return otherwise
  if (/^\d+$/.test(text)) return Number(text)
  throw new Failure(`${name}: not a number: ${text}`, 'npm start -- --help', 2)
}
