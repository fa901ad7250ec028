// Builds the box's image: busybox and the program of workload.c, linked statically. Called by chaos.mjs.
import { readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { capture } from '../../scripts/command.mjs'
import { Failure } from '../../scripts/failure.mjs'
import { busyboxEntries, CONFIG } from '../../scripts/image/busybox.mjs'
import { writeLayout } from '../../scripts/image/layout.mjs'

const source = fileURLToPath(new URL('workload.c', import.meta.url))

/** Writes the image as an OCI layout. @param {string} folder */
export async function writeImage(folder) {
  const program = join(folder, '..', 'workload')
  const built = await capture('gcc', ['-O1', '-static', '-Wall', '-Wextra', '-Werror', '-o', program, source])
  if (built.status !== 0) throw new Failure(`gcc: ${built.output}`, 'npm run setup installs gcc and libc6-dev')
  const entries = [...(await busyboxEntries()), { path: 'bin/workload', content: readFileSync(program), mode: 0o755 }]
  rmSync(program)
  writeLayout(folder, [{ layers: [entries], config: CONFIG }])
}
