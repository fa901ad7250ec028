// The Debian packages that building, running and testing need, each with a check whether it is installed. Called by setup.mjs. The
// packages are Debian 12's; on other distributions the checks still find out what is missing.
import { accessSync, constants, existsSync } from 'node:fs'
import { join } from 'node:path'
import { Failure } from '../failure.mjs'
import { step } from '../progress.mjs'
import { aptGet } from './apt.mjs'

/** @typedef {{ name: string, has: () => boolean, use: string }} DebianPackage */

/** @param {string} name @param {string} use @param {string} program @returns {DebianPackage} */
const withProgram = (name, use, program) => ({ name, use, has: () => findProgram(program) !== undefined })
/** @param {string} name @param {string} use @param {string} file @returns {DebianPackage} */
const withFile = (name, use, file) => ({ name, use, has: () => existsSync(file) })
/** @param {string} name @param {string} use @param {string} library @returns {DebianPackage} */
const withLibrary = (name, use, library) => ({
  name,
  use,
  has: () => libraryFolders().some(folder => existsSync(join(folder, library))),
})

/** @type {Record<'build' | 'run' | 'test', DebianPackage[]>} */
export const packages = {
  build: [
    withProgram('gcc', 'compiles the kernel and links the crates', 'gcc'),
    withFile('libc6-dev', 'links the static guest agent', '/usr/include/stdlib.h'),
    withProgram('make', 'builds the kernel', 'make'),
    withProgram('flex', 'builds the kernel', 'flex'),
    withProgram('bison', 'builds the kernel', 'bison'),
    withProgram('bc', 'builds the kernel', 'bc'),
    withFile('libelf-dev', 'builds the kernel', '/usr/include/libelf.h'),
    withProgram('cpio', 'builds the kernel', 'cpio'),
    withProgram('patch', 'builds the kernel', 'patch'),
    withProgram('xz-utils', 'unpacks the kernel source', 'xz'),
    withFile('ca-certificates', 'lets cargo and npm verify servers', '/etc/ssl/certs/ca-certificates.crt'),
  ],
  run: [
    withProgram('qemu-system-x86', 'runs boxes where there is no KVM', 'qemu-system-x86_64'),
    withProgram('busybox-static', 'is the demo image', 'busybox'),
  ],
  test: [
    withProgram('e2fsprogs', 'checks root disks (e2fsck)', 'e2fsck'),
    withProgram('qemu-utils', 'checks overlays (qemu-img)', 'qemu-img'),
    withProgram('docker-registry', 'is the registry in tests of pulling', 'docker-registry'),
    withProgram('skopeo', 'pushes images to it', 'skopeo'),
    withProgram('mmdebstrap', 'builds a real Debian image', 'mmdebstrap'),
    withProgram('umoci', 'unpacks images for comparison', 'umoci'),
    withProgram('openssl', 'creates the certificates of servers in tests', 'openssl'),
    withProgram('iproute2', 'makes the internet of the tests of networks (ip)', 'ip'),
    withProgram('git', 'serves a repository to boxes', 'git'),
    withProgram('python3', "sets extended attributes, and looks into a machine's memory", 'python3'),
    withProgram('tmux', 'is the terminal at which a test types', 'tmux'),
    withProgram('iperf3', 'measures the network of a box against the host', 'iperf3'),
    withLibrary('libslirp0', "serves networks in tests of the backend 'libslirp'", 'libslirp.so.0'),
    withProgram('g++', 'compiles the fuzzer', 'g++'),
    withProgram('kmod', 'prepares the KVM lab', 'depmod'),
  ],
}

/**
 * Installs the missing packages of `wanted` if this process is root; otherwise fails and prints the command for it.
 * @param {DebianPackage[]} wanted
 */
export async function installPackages(wanted) {
  const missing = wanted.filter(entry => !entry.has())
  if (missing.length === 0) return
  const names = missing.map(entry => entry.name)
  const command = `apt-get update && apt-get install -y --no-install-recommends ${names.join(' ')}`
  const reasons = missing.map(entry => `  ${entry.name.padEnd(18)}${entry.use}`).join('\n')
  if (process.getuid?.() !== 0 || !findProgram('apt-get')) {
    throw new Failure(`Debian packages are missing:\n${reasons}`, `run this, then start again: sudo sh -c '${command}'`)
  }
  await step('packages', async note => {
    for (const args of [['update'], ['install', '-y', '--no-install-recommends', ...names]]) {
      const result = await aptGet(args, { onLine: note })
      if (result.status === 0) continue
      const tail = result.output.split('\n').slice(-15).join('\n')
      throw new Failure(`\`apt-get ${args.join(' ')}\` ended with ${result.status}:\n${tail}`)
    }
    const still = missing.filter(entry => !entry.has()).map(entry => entry.name)
    if (still.length === 0) return names.join(' ')
    throw new Failure(`apt-get installed ${still.join(', ')}, but their files are still missing`)
  })
}

/** Finds `program` in PATH, or in the folders that only root's PATH has. @param {string} program */
export function findProgram(program) {
  const folders = [...(process.env.PATH ?? '').split(':'), '/usr/sbin', '/sbin'].filter(Boolean)
  return folders.map(folder => join(folder, program)).find(isExecutable)
}

/** The folders in which distributions have their libraries. */
function libraryFolders() {
  const machine = process.arch === 'arm64' ? 'aarch64' : 'x86_64'
  return [`/usr/lib/${machine}-linux-gnu`, '/usr/lib64', '/usr/lib', '/usr/local/lib']
}

/** @param {string} file */
function isExecutable(file) {
  try {
    accessSync(file, constants.X_OK)
    return true
  } catch {
    return false
  }
}
