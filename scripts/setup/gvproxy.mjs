// The program gvproxy for tests of the backend of that name. Debian has it since 13, whose package also runs on Debian 12: it is fetched by
// apt with a configuration of its own, which changes nothing on this machine, and kept in the build cache. Called by setup.mjs and
// by the tests that need it.
import { createHash } from 'node:crypto'
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { capture } from '../command.mjs'
import { Failure } from '../failure.mjs'
import { cacheFolder } from '../paths.mjs'
import { aptGet } from './apt.mjs'

/** The package, and what it must be. */
export const GVPROXY = {
  suite: 'trixie',
  version: '0.8.1-3',
  package: '983fca44dd882097cb5cffc953fd98c0aaae12ce0237a9c5e4b111d4a8818398',
  program: '074f0c3b3e43684cbb1b71ad1f1f9f57b756d47dd869b7ab8e315a66b0da5e89',
}
const KEYRING = '/usr/share/keyrings/debian-archive-keyring.gpg'

/**
 * Returns the path of gvproxy, which is fetched if it is not in the build cache.
 * @param {(line: string) => void} [onLine] @returns {Promise<string>}
 */
export async function gvproxyProgram(onLine) {
  const folder = join(cacheFolder(), `gvproxy-${GVPROXY.version}`)
  const program = join(folder, 'gvproxy')
  if (isWhole(program)) return program
  const draft = mkdtempSync(join(cacheFolder(), 'gvproxy-draft-'))
  try {
    const archive = await download(draft, onLine)
    verify('the package gvproxy', archive, GVPROXY.package)
    await run('dpkg-deb', ['--extract', archive, join(draft, 'files')])
    const made = join(draft, 'made')
    mkdirSync(made)
    renameSync(join(draft, 'files/usr/bin/gvproxy'), join(made, 'gvproxy'))
    chmodSync(join(made, 'gvproxy'), 0o755)
    verify('the program gvproxy', join(made, 'gvproxy'), GVPROXY.program)
    // What is there is not whole, or another process was first.
    if (!isWhole(program)) {
      rmSync(folder, { recursive: true, force: true })
      renameSync(made, folder)
    }
  } catch (error) {
    if (!isWhole(program)) throw error
  } finally {
    rmSync(draft, { recursive: true, force: true })
  }
  return program
}

/** Downloads the package and returns its path. @param {string} draft @param {(line: string) => void} [onLine] */
async function download(draft, onLine) {
  for (const name of ['state/lists/partial', 'cache/archives/partial', 'downloads']) {
    mkdirSync(join(draft, name), { recursive: true })
  }
  writeFileSync(
    join(draft, 'sources.list'),
    `deb [signed-by=${KEYRING}] http://deb.debian.org/debian ${GVPROXY.suite} main\n`,
  )
  const options = {
    'Dir::State': join(draft, 'state'),
    'Dir::State::status': '/dev/null',
    'Dir::Cache': join(draft, 'cache'),
    'Dir::Etc::SourceList': join(draft, 'sources.list'),
    'Dir::Etc::SourceParts': '/dev/null',
    'APT::Architectures': 'amd64',
    'APT::Sandbox::User': 'root',
    'Acquire::Languages': 'none',
    'Acquire::IndexTargets::deb::DEP-11::DefaultEnabled': 'false',
  }
  const config = Object.entries(options).map(([name, value]) => `${name} "${value}";\n`)
  writeFileSync(join(draft, 'apt.conf'), config.join(''))
  const env = { ...process.env, APT_CONFIG: join(draft, 'apt.conf') }
  for (const args of [['update'], ['download', `gvproxy=${GVPROXY.version}`]]) {
    const { status, output } = await aptGet(args, { env, cwd: join(draft, 'downloads'), ...(onLine && { onLine }) })
    if (status === 0) continue
    const hint = `if Debian ${GVPROXY.suite} has another version now, name it and its digests in scripts/setup/gvproxy.mjs`
    throw new Failure(`\`apt-get ${args.join(' ')}\` ended with ${status}:\n${output.slice(-2000)}`, hint)
  }
  const [archive] = readdirSync(join(draft, 'downloads'))
  if (!archive) throw new Failure('`apt-get download gvproxy` has downloaded nothing')
  return join(draft, 'downloads', archive)
}

/** @param {string} program */
const isWhole = program => existsSync(program) && digestOf(program) === GVPROXY.program

/** @param {string} what @param {string} file @param {string} digest */
function verify(what, file, digest) {
  const found = digestOf(file)
  if (found !== digest) throw new Failure(`${what} has the SHA-256 ${found} and not ${digest}`)
}

/** @param {string} file */
const digestOf = file => createHash('sha256').update(readFileSync(file)).digest('hex')

/** @param {string} command @param {string[]} args */
async function run(command, args) {
  const { status, output } = await capture(command, args)
  if (status !== 0) throw new Failure(`\`${command} ${args.join(' ')}\` ended with ${status}:\n${output.slice(-2000)}`)
}
