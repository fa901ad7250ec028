// A real Debian image with python3, made once by mmdebstrap and kept in the build cache by the content of this recipe.
// Called by its e2e test and by the bench; needs the Debian package mmdebstrap and Debian's archive.
import { createHash } from 'node:crypto'
import { existsSync, mkdtempSync, readFileSync, renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { capture } from '../command.mjs'
import { Failure } from '../failure.mjs'
import { cacheFolder } from '../paths.mjs'
import { writeLayout } from './layout.mjs'

const RECIPE = ['--variant=minbase', '--include=python3-minimal', 'bookworm']
const CONFIG = {
  Env: ['PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin', 'LANG=C.UTF-8'],
  Cmd: ['bash'],
}

/** The folder of an OCI layout with the image as `latest`. @returns {Promise<string>} */
export async function debianLayout() {
  const key = createHash('sha256')
    .update(JSON.stringify([RECIPE, CONFIG, 1]))
    .digest('hex')
    .slice(0, 16)
  const folder = join(cacheFolder(), `debian-image-${key}`)
  if (existsSync(folder)) return folder
  const draft = mkdtempSync(join(cacheFolder(), 'debian-draft-'))
  try {
    const archive = join(draft, 'rootfs.tar')
    const made = await capture('mmdebstrap', [...RECIPE, archive], { timeoutMs: 600_000 })
    if (made.status !== 0) {
      throw new Failure(`mmdebstrap: ${made.output.slice(-2000)}`, 'apt-get install mmdebstrap, and try again')
    }
    const layers = [readFileSync(archive)]
    rmSync(archive)
    writeLayout(draft, [{ layers, config: CONFIG }])
    renameSync(draft, folder)
  } catch (error) {
    rmSync(draft, { recursive: true, force: true })
    // Another process may have been faster.
    if (!existsSync(folder)) throw error
  }
  return folder
}
