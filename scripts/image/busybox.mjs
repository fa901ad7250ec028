// A small image that needs no registry: Debian's static busybox with a link for each applet, and a minimal /etc. Called by the demo,
// the bench and the tests. The entries are exported so that tests can put layers on top.
import { readFileSync } from 'node:fs'
import { capture } from '../command.mjs'
import { Failure } from '../failure.mjs'
import { findProgram } from '../setup/debian.mjs'
import { writeLayout } from './layout.mjs'

/** The image's user besides root, for tests of `user`. */
export const APP_USER = { name: 'app', uid: 1000, gid: 1000 }

export const CONFIG = { Env: ['PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'], Cmd: ['sh'] }

/** Returns the entries of the only layer. @returns {Promise<import('./tar.mjs').Entry[]>} */
export async function busyboxEntries() {
  const program = findProgram('busybox')
  if (!program) throw new Failure('busybox: not found', 'npm run setup installs it')
  const list = await capture(program, ['--list'])
  const applets = list.stdout.split('\n').filter(name => name && name !== 'busybox')
  const { name, uid, gid } = APP_USER
  return [
    ...['bin', 'dev', 'etc', 'proc', 'root', 'sys', 'usr', 'usr/bin', 'var', 'home'].map(directory),
    { ...directory('tmp'), mode: 0o1777 },
    { ...directory(`home/${name}`), uid, gid },
    { path: 'bin/busybox', content: readFileSync(program), mode: 0o755 },
    ...applets.map(applet => link(`bin/${applet}`, 'busybox')),
    file(
      'etc/passwd',
      `root:x:0:0:root:/root:/bin/sh\n${name}:x:${uid}:${gid}::/home/${name}:/bin/sh\nnobody:x:65534:65534::/:/bin/false\n`,
    ),
    file('etc/group', `root:x:0:\n${name}:x:${gid}:\nnogroup:x:65534:\n`),
    file('etc/os-release', 'ID=busybox\nNAME="boxlite demo image"\n'),
  ]
}

/** Writes the image as an OCI layout. @param {string} folder */
export async function writeBusybox(folder) {
  return writeLayout(folder, [{ layers: [await busyboxEntries()], config: CONFIG }])
}

/** @param {string} path @returns {import('./tar.mjs').Entry} */
export const directory = path => ({ path, type: 'directory' })
/** @param {string} path @param {string} content @returns {import('./tar.mjs').Entry} */
export const file = (path, content) => ({ path, content })
/** @param {string} path @param {string} target @returns {import('./tar.mjs').Entry} */
export const link = (path, target) => ({ path, type: 'symlink', target })
