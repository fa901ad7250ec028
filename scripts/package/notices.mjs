// Writes THIRD-PARTY-NOTICES: the licence texts of everything that is linked into the native parts, which the licences require copies
// to contain. Called by stage.mjs. The texts are those in the crates' packages; identical texts appear once.
import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { shippedCrates } from './crates.mjs'

/** @param {string[]} products workspace crates */
export async function notices(products) {
  const crates = await shippedCrates(products)
  /** @type {Map<string, string[]>} */
  const texts = new Map()
  for (const crate of crates) {
    for (const text of licenceTexts(dirname(crate.manifest_path))) {
      texts.set(text, [...(texts.get(text) ?? []), `${crate.name} ${crate.version}`])
    }
  }
  const list = crates.map(crate => `${crate.name} ${crate.version}: ${crate.license}`).join('\n')
  const blocks = [...texts].map(
    ([text, users]) => `${'='.repeat(80)}\n${users.join(', ')}\n${'-'.repeat(80)}\n${text}\n`,
  )
  return `${OPENING}\n${list}\n\n${blocks.join('\n')}`
}

const OPENING = `The native parts of @boxlite/node contain the libraries below, under these licences. Where a library offers a choice,
any of its licences may be taken. share/initramfs.cpio also contains parts of the GNU C Library (LGPL-2.1-or-later, source:
https://sourceware.org/glibc), linked statically; the sources of @boxlite/node allow linking it anew.
share/vmlinux is the Linux kernel and has its own notice beside it.
`

/** @param {string} folder of a crate */
function licenceTexts(folder) {
  return readdirSync(folder, { withFileTypes: true })
    .filter(entry => entry.isFile() && /^(licen[cs]e|copying|copyright|notice|unlicense)/i.test(entry.name))
    .map(entry => readFileSync(join(folder, entry.name), 'utf8').trim())
}
