// Images for the tests, as OCI layout folders: busybox, with or without layers on top. Used by the e2e tests.
import { busyboxEntries, CONFIG, directory, file, link } from '../../scripts/image/busybox.mjs'
import { type Image, writeLayout } from '../../scripts/image/layout.mjs'
import type { Entry } from '../../scripts/image/tar.mjs'
import type { Homes } from './homes.js'

export { directory, type Entry, file, link }

/** Returns busybox with `layers` on top. */
export async function image(layers: Entry[][] = [], more: Partial<Image> = {}): Promise<Image> {
  return { layers: [await busyboxEntries(), ...layers], ...more, config: { ...CONFIG, ...more.config } }
}

/** Writes an image and returns its folder, which can be used as a reference. */
export async function layout(homes: Homes, layers: Entry[][] = [], more: Partial<Image> = {}): Promise<string> {
  const folder = homes.folder()
  writeLayout(folder, [await image(layers, more)])
  return folder
}
