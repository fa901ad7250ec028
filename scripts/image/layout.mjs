// Writes OCI image layout folders: blobs by digest and an index.json, of one image or of several architectures of an image.
// Called by the demo and by the tests. Format: OCI image-spec v1.1, image-layout.md, manifest.md, config.md, image-index.md.
import { createHash } from 'node:crypto'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { tar } from './tar.mjs'

const TYPES = {
  index: 'application/vnd.oci.image.index.v1+json',
  manifest: 'application/vnd.oci.image.manifest.v1+json',
  config: 'application/vnd.oci.image.config.v1+json',
  layer: 'application/vnd.oci.image.layer.v1.tar+gzip',
}

/**
 * @typedef {object} Image
 * @property {Iterable<import('./tar.mjs').Entry[] | Buffer>} layers the lowest first; a Buffer is a tar file
 * @property {{ Env?: string[], Cmd?: string[], Entrypoint?: string[], WorkingDir?: string, User?: string,
 *   [more: string]: unknown }} [config] the image's configuration, with the names of OCI image-spec, config.md
 * @property {string} [architecture] default: amd64
 * @property {string} [variant] of the architecture, such as v8
 */
/** @typedef {{ mediaType: string, digest: string, size: number, platform?: object, annotations?: object }} Descriptor */

/**
 * Writes `images` as one layout in `folder`. Several images become a multi-arch index.
 * @param {string} folder @param {Image[]} images @param {string} [tag]
 * @returns {Descriptor} the one in `index.json`
 */
export function writeLayout(folder, images, tag = 'latest') {
  mkdirSync(join(folder, 'blobs/sha256'), { recursive: true })
  const manifests = images.map(image => writeImage(folder, image))
  const [only] = manifests
  const top =
    manifests.length === 1 && only
      ? only
      : writeJson(folder, TYPES.index, { schemaVersion: 2, mediaType: TYPES.index, manifests })
  const named = { ...top, annotations: { 'org.opencontainers.image.ref.name': tag } }
  writeFileSync(join(folder, 'oci-layout'), JSON.stringify({ imageLayoutVersion: '1.0.0' }))
  writeFileSync(
    join(folder, 'index.json'),
    JSON.stringify({ schemaVersion: 2, mediaType: TYPES.index, manifests: [named] }),
  )
  return top
}

/** @param {string} folder @param {Image} image @returns {Descriptor} */
function writeImage(folder, image) {
  const variant = image.variant === undefined ? {} : { variant: image.variant }
  const platform = { architecture: image.architecture ?? 'amd64', os: 'linux', ...variant }
  const layers = []
  const diffIds = []
  for (const layer of image.layers) {
    const archive = Buffer.isBuffer(layer) ? layer : tar(layer)
    layers.push(writeBlob(folder, TYPES.layer, gzipSync(archive, { level: 6 })))
    diffIds.push(digestOf(archive))
  }
  const rootfs = { type: 'layers', diff_ids: diffIds }
  const config = writeJson(folder, TYPES.config, { ...platform, config: image.config ?? {}, rootfs })
  const manifest = { schemaVersion: 2, mediaType: TYPES.manifest, config, layers }
  return { ...writeJson(folder, TYPES.manifest, manifest), platform }
}

/** @param {string} folder @param {string} mediaType @param {object} value */
const writeJson = (folder, mediaType, value) => writeBlob(folder, mediaType, Buffer.from(JSON.stringify(value)))

/** @param {string} folder @param {string} mediaType @param {Buffer} bytes @returns {Descriptor} */
function writeBlob(folder, mediaType, bytes) {
  const digest = digestOf(bytes)
  writeFileSync(join(folder, 'blobs', digest.replace(':', '/')), bytes)
  return { mediaType, digest, size: bytes.length }
}

/** Returns the digest of `bytes` in OCI's notation. @param {Buffer} bytes */
export const digestOf = bytes => `sha256:${createHash('sha256').update(bytes).digest('hex')}`
