// Pulling from a real registry, and every way in which a registry can fail us: each with its code, nothing left behind,
// and the runtime usable afterwards.
import { randomBytes } from 'node:crypto'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import type { Runtime } from '../../index.mjs'
import { digestOf, writeLayout } from '../../scripts/image/layout.mjs'
import { type Faults, type LoopbackRegistry, serveLayout } from '../../scripts/image/registry.mjs'
import { failure } from '../support/failures.js'
import { useHomes } from '../support/homes.js'
import { file, image, layout } from '../support/images.js'
import { freePort, type Registry, startRegistry } from '../support/registry.js'

const homes = useHomes()
let plain: string

beforeAll(async () => {
  plain = await layout(homes)
})

describe('a real registry', () => {
  let registry: Registry
  let runtime: Runtime

  beforeAll(async () => {
    registry = await startRegistry(homes.folder())
    runtime = await homes.open({ registries: [{ host: registry.host, http: true }] })
    await registry.push(plain, 'busybox:1')
  })
  afterAll(() => registry.stop())

  it('gives an image that runs', async () => {
    const pulled = await runtime.images.pull(`${registry.host}/busybox:1`)
    expect(pulled.digest).toMatch(/^sha256:[0-9a-f]{64}$/)
    const box = await runtime.create({ image: `${registry.host}/busybox:1` })
    expect((await box.exec('echo', ['from the registry'])).stdout).toBe('from the registry\n')
    expect((await box.info()).imageDigest).toBe(pulled.digest)
    await box.remove({ force: true })
  })

  it('gives the image for this machine out of several architectures', async () => {
    const folder = homes.folder()
    const marked = (architecture: string) => image([[file('etc/arch', architecture)]], { architecture })
    writeLayout(folder, [await marked('arm64'), await marked('amd64')])
    await registry.push(folder, 'several:1')
    const box = await runtime.create({ image: `${registry.host}/several:1` })
    expect((await box.exec('cat', ['/etc/arch'])).stdout).toBe('amd64')
    await box.remove({ force: true })
  })

  it('has no image of that name', async () => {
    const error = await failure(runtime.images.pull(`${registry.host}/no/such:image`), 'IMAGE_NOT_FOUND')
    expect(error.message).toContain('no/such')
    const box = await runtime.create({ image: `${registry.host}/busybox:no-such-tag` })
    await failure(box.start(), 'IMAGE_NOT_FOUND')
    await box.remove({ force: true })
  })

  it('whose storage was damaged is found out', async () => {
    const folder = await layout(homes, [[file('etc/unique', randomBytes(64).toString('hex'))]])
    await registry.push(folder, 'damaged:1')
    const newest = JSON.parse(readFileSync(join(folder, 'index.json'), 'utf8')).manifests[0].digest.split(':')[1]
    const manifest = JSON.parse(readFileSync(join(folder, 'blobs/sha256', newest), 'utf8'))
    const digest: string = manifest.layers[1].digest.split(':')[1]
    const blob = join(registry.storage, 'docker/registry/v2/blobs/sha256', digest.slice(0, 2), digest, 'data')
    const bytes = readFileSync(blob)
    bytes[bytes.length >> 1] = (bytes[bytes.length >> 1] ?? 0) ^ 0xff
    writeFileSync(blob, bytes)
    const error = await failure(runtime.images.pull(`${registry.host}/damaged:1`), 'IMAGE_DIGEST_MISMATCH')
    expect(error.message + error.hint).toContain(digest.slice(0, 12))
  })
})

describe('a registry that fails', () => {
  let registry: LoopbackRegistry | undefined
  afterEach(() => registry?.stop())

  /** Pulls through a registry with `faults`, checks that it fails with `code` and leaves nothing that is not whole. */
  async function pull(faults: Faults, code: string, from = plain) {
    registry = await serveLayout(from, faults)
    const home = homes.folder()
    const runtime = await homes.open({ home, registries: [{ host: registry.host, http: true }] })
    const error = await failure(runtime.images.pull(`${registry.host}/image:1`), code)
    expect(leftovers(home)).toEqual([])
    expect(await runtime.list()).toEqual([])
    return error
  }

  it('by sending other bytes', async () => {
    await pull(
      { blob: bytes => Buffer.from(bytes.map((byte, i) => (i === 9 ? byte ^ 1 : byte))) },
      'IMAGE_DIGEST_MISMATCH',
    )
  })

  it('by refusing access', async () => {
    await pull({ status: 403 }, 'IMAGE_UNAUTHORIZED')
  })

  it('by an error of its own', async () => {
    await pull({ status: 500 }, 'REGISTRY_FAILED')
  })

  it('by asking for patience', async () => {
    await pull({ status: 429 }, 'REGISTRY_RATE_LIMITED')
  })

  it('by breaking off in the middle of each blob, after which the next pull goes on from there', async () => {
    registry = await serveLayout(plain, { cutAfter: 1000 })
    const home = homes.folder()
    const runtime = await homes.open({ home, registries: [{ host: registry.host, http: true }] })
    const error = await failure(runtime.images.pull(`${registry.host}/image:1`), 'REGISTRY_UNREACHABLE')
    expect(error.hint).toContain("check the registry's address")
    registry.faults.cutAfter = Number.POSITIVE_INFINITY
    await runtime.images.pull(`${registry.host}/image:1`)
    expect(leftovers(home)).toEqual([expect.stringMatching(/^disks\/[0-9a-f]{64}-[\w-]+\.ext4$/)])
  })

  it('by serving no image for this machine', async () => {
    const folder = homes.folder()
    writeLayout(folder, [await image([], { architecture: 's390x' }), await image([], { architecture: 'arm64' })])
    const error = await pull({}, 'IMAGE_PLATFORM', folder)
    expect(error.message + error.hint).toMatch(/arm64/)
  })

  it('by not being there', async () => {
    const host = `127.0.0.1:${await freePort()}`
    const runtime = await homes.open({ registries: [{ host, http: true }] })
    const error = await failure(runtime.images.pull(`${host}/image:1`), 'REGISTRY_UNREACHABLE')
    expect(error.message + error.hint).toContain(host)
  })
})

it('refuses a layer that ends too soon, although its digest is right', async () => {
  const folder = homes.folder()
  const whole = await image([[file('etc/big', randomBytes(200_000).toString('hex'))]])
  writeLayout(folder, [whole])
  truncateTopLayer(folder)
  const home = homes.folder()
  const runtime = await homes.open({ home })
  const box = await runtime.create({ image: folder })
  await failure(box.start(), 'IMAGE_CORRUPT')
  expect(leftovers(home)).toEqual([])
  await box.remove({ force: true })
})

it('refuses what is no reference', async () => {
  const runtime = await homes.open()
  await failure(runtime.images.pull('UPPER case/is:not:valid'), 'IMAGE_REFERENCE')
})

/** Cuts the top layer's gzip stream and makes every digest agree with it. */
function truncateTopLayer(folder: string): void {
  const blob = (digest: string) => join(folder, 'blobs', digest.replace(':', '/'))
  const index = JSON.parse(readFileSync(join(folder, 'index.json'), 'utf8'))
  const manifest = JSON.parse(readFileSync(blob(index.manifests[0].digest), 'utf8'))
  const layer = readFileSync(blob(manifest.layers.at(-1).digest))
  manifest.layers[manifest.layers.length - 1] = {
    ...manifest.layers.at(-1),
    ...store(layer.subarray(0, layer.length >> 1)),
  }
  index.manifests[0] = { ...index.manifests[0], ...store(Buffer.from(JSON.stringify(manifest))) }
  writeFileSync(join(folder, 'index.json'), JSON.stringify(index))

  function store(bytes: Buffer) {
    const digest = digestOf(bytes)
    writeFileSync(blob(digest), bytes)
    return { digest, size: bytes.length }
  }
}

/** Files of a home that are not whole: drafts, temporary names, partial downloads, root disks of images that failed. */
function leftovers(home: string): string[] {
  return readdirSync(join(home, 'images'), { recursive: true })
    .map(String)
    .filter(name => /tmp|partial|draft|\.part|disks\/./.test(name))
}
