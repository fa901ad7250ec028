// Real Debian images, built once by mmdebstrap and stored in the build cache under the hash of their options: one with python3,
// one with programs that run containers and services, and one with programs that use a network. Called by their e2e tests and by the bench. Needs the Debian package mmdebstrap
// and Debian's archive.
import { createHash } from 'node:crypto'
import { existsSync, mkdtempSync, readFileSync, renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { capture } from '../command.mjs'
import { Failure } from '../failure.mjs'
import { cacheFolder } from '../paths.mjs'
import { writeLayout } from './layout.mjs'

/** Leaves out documentation and translations, and does not wait for the host's disk. */
const LEAN = [
  '--dpkgopt=force-unsafe-io',
  '--dpkgopt=path-exclude=/usr/share/doc/*',
  '--dpkgopt=path-exclude=/usr/share/locale/*',
]
const PYTHON = ['--variant=minbase', '--include=python3-minimal', 'bookworm']
const CONTAINERS = ['--variant=minbase', ...LEAN, '--include=bubblewrap,podman,crun,systemd,iproute2', 'bookworm']
const NETWORK = [
  '--variant=minbase',
  ...LEAN,
  '--include=ca-certificates,curl,git,wget,python3-pip,bind9-dnsutils,iputils-ping,iproute2,iperf3,nginx-light',
  'bookworm',
]
const CONFIG = {
  Env: ['PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin', 'LANG=C.UTF-8'],
  Cmd: ['bash'],
}

/** Returns the folder of an OCI layout with Debian and python3 as `latest`. @returns {Promise<string>} */
export const debianLayout = () => build(PYTHON)

/** Returns the same with bubblewrap, podman and systemd. @returns {Promise<string>} */
export const containersLayout = () => build(CONTAINERS)

/** Returns a Debian with curl, git, wget, pip, dig, ping, iperf3 and nginx. @returns {Promise<string>} */
export const networkLayout = () => build(NETWORK)

/** @param {string[]} recipe @returns {Promise<string>} */
async function build(recipe) {
  const key = createHash('sha256')
    .update(JSON.stringify([recipe, CONFIG, 1]))
    .digest('hex')
    .slice(0, 16)
  const folder = join(cacheFolder(), `debian-image-${key}`)
  if (existsSync(folder)) return folder
  const draft = mkdtempSync(join(cacheFolder(), 'debian-draft-'))
  try {
    const archive = join(draft, 'rootfs.tar')
    const { status, output } = await capture('mmdebstrap', [...recipe, archive], { timeoutMs: 1_500_000 })
    if (status !== 0) {
      throw new Failure(`mmdebstrap: ${output.slice(-2000)}`, 'run apt-get install mmdebstrap and try again')
    }
    const layers = [readFileSync(archive)]
    rmSync(archive)
    writeLayout(draft, [{ layers, config: CONFIG }])
    renameSync(draft, folder)
  } catch (error) {
    rmSync(draft, { recursive: true, force: true })
    // Another process may have built the same image first.
    if (!existsSync(folder)) throw error
  }
  return folder
}
