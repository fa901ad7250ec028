// Lists the source files of the project: those that git tracks or would track. Used by the house tests.
import { execFileSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { root } from '../../scripts/paths.mjs'

/** Returns the paths, relative to the root, of all files that `pattern` matches. */
export function sources(pattern: RegExp): string[] {
  const args = ['ls-files', '--cached', '--others', '--exclude-standard', '-z']
  const all = execFileSync('git', args, { cwd: root, encoding: 'utf8', maxBuffer: 1 << 26 }).split('\0')
  return all.filter(path => pattern.test(path) && existsSync(join(root, path)))
}
