// The image cache: pulls with their steps and their end by a signal, mirrors and short names, what is listed and told of an
// image, archives, root file systems, cleaning up, and the quota that spares what is in use.
import { createReadStream, createWriteStream, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { createGzip } from 'node:zlib'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { PullEvent, Runtime } from '../../index.mjs'
import { capture } from '../../scripts/command.mjs'
import { writeLayout } from '../../scripts/image/layout.mjs'
import { serveLayout } from '../../scripts/image/registry.mjs'
import { root } from '../../scripts/paths.mjs'
import { runExample } from '../support/example.js'
import { failure } from '../support/failures.js'
import { engine, useHomes } from '../support/homes.js'
import { file, image, layout } from '../support/images.js'
import { freePort, type Registry, startRegistry } from '../support/registry.js'

const homes = useHomes()
let registry: Registry
let source: string
const http = (host: string) => ({ host, http: true })

beforeAll(async () => {
  registry = await startRegistry(homes.folder())
  source = `${registry.host}/team/app:1`
  const config = {
    Env: ['PATH=/bin', 'GREETING=hello'],
    Entrypoint: ['/bin/sh'],
    Cmd: ['-i'],
    User: '12:34',
    WorkingDir: '/srv',
    ExposedPorts: { '80/tcp': {} },
    Volumes: { '/data': {} },
    Labels: { maker: 'tests' },
    StopSignal: 'SIGINT',
    Healthcheck: { Test: ['CMD', 'true'], Interval: 2_000_000_000 },
  }
  await registry.push(await layout(homes, [[file('etc/app', 'one')]], { config }), 'team/app:1')
})
afterAll(() => registry.stop())

it('reports every step of a pull, to a callback and to a loop', async () => {
  const runtime = await homes.open({ registries: [http(registry.host)] })
  const told: PullEvent[] = []
  const pull = runtime.images.pull(source, { onProgress: event => told.push(event) })
  const seen: PullEvent[] = []
  for await (const event of pull) seen.push(event)
  const { digest, layers, sizeBytes } = await pull
  expect(told[0]).toEqual({ type: 'resolving', reference: source })
  expect(told[1]).toEqual({ type: 'resolved', digest, layers, bytes: sizeBytes })
  expect(told.slice(-2)).toEqual([
    { type: 'assembling', digest },
    { type: 'done', digest },
  ])
  const of = (type: string) => told.filter(event => event.type === type)
  expect(of('layerDone')).toHaveLength(layers)
  let arrived = 0
  for (const start of of('layerStart') as { digest: string; bytes: number }[]) {
    const last = told.filter(event => event.type === 'layerProgress' && event.digest === start.digest).pop()
    expect(last).toMatchObject({ bytes: start.bytes })
    arrived += start.bytes
  }
  expect(arrived).toBe(sizeBytes)
  const lasting = (events: PullEvent[]) => events.filter(event => event.type !== 'layerProgress')
  expect(lasting(seen)).toEqual(lasting(told))
})

it('shows a progress bar in the example, and lines where there is no terminal', async () => {
  const env = { ...process.env, BOXLITE_HOME: homes.folder(), BOXLITE_ENGINE: engine }
  const source = readFileSync(join(root, 'examples/pull.ts'), 'utf8')
  const image = await layout(homes)
  const plain = await runExample(source, [image], { cwd: root, env })
  expect(plain.output).toMatch(
    /^1 layers, 1\.\d MB\nsha256:[0-9a-f]{64} fetched\nmaking its root disk\n.* sha256:[0-9a-f]{64}\n$/,
  )
  expect(plain.status).toBe(0)
  const shown = await runExample(source, [image], {
    cwd: root,
    env: { ...env, BOXLITE_HOME: homes.folder() },
    tty: true,
  })
  const drawn = shown.output.split('\r\x1b[K')
  expect(drawn[1]).toMatch(/^░{30} {3}0 % {2}0\.0 MB of 0\.0 MB {2}resolving$/)
  expect(drawn.at(-1)).toMatch(/^█{30} 100 % {2}1\.\d MB of 1\.\d MB {2}done\r?\n/)
  expect(shown.status).toBe(0)
})

it('reports the earlier steps to a second caller of the same image', async () => {
  const counting = await serveLayout(await layout(homes, [[file('etc/app', 'shared')]]))
  const runtime = await homes.open({ registries: [http(counting.host)] })
  const told: PullEvent['type'][][] = [[], []]
  const pulls = told.map(events =>
    runtime.images.pull(`${counting.host}/app:1`, { onProgress: ({ type }) => events.push(type) }),
  )
  const [first, second] = await Promise.all(pulls)
  expect(second).toEqual(first)
  for (const events of told) expect(events.slice(0, 2)).toEqual(['resolving', 'resolved'])
  const blobs = counting.requests.filter(path => path.includes('/blobs/'))
  expect(new Set(blobs).size, 'each blob is fetched once').toBe(blobs.length)
  await counting.stop()
})

it('fetches the image of another platform on demand, variant and all, and says what there is', async () => {
  const folder = homes.folder()
  const of = (architecture: string, variant?: string) =>
    image([[file('etc/arch', `${architecture}${variant}`)]], { architecture, ...(variant && { variant }) })
  writeLayout(folder, [await of('arm', 'v6'), await of('arm', 'v7'), await of('amd64'), await of('arm64', 'v8')])
  const runtime = await homes.open()
  const pull = async (platform?: string) => {
    const told: PullEvent['type'][] = []
    const { digest } = await runtime.images.pull(folder, {
      ...(platform && { platform }),
      onProgress: e => told.push(e.type),
    })
    return { digest, disk: told.includes('assembling') }
  }
  const here = await pull()
  expect(here.disk).toBe(true)
  expect(await pull('linux/amd64')).toEqual(here)
  const six = await pull('linux/arm/v6')
  expect(six.disk, 'no root disk for another machine').toBe(false)
  const seven = await pull('linux/arm/v7')
  expect(new Set([here.digest, six.digest, seven.digest]).size).toBe(3)
  expect(await pull('linux/arm64')).toEqual(await pull('linux/arm64/v8'))
  const platforms = (await runtime.images.list()).map(({ platform }) => platform)
  expect(platforms).toEqual(expect.arrayContaining(['linux/amd64', 'linux/arm/v6', 'linux/arm/v7']))
  const error = await failure(pull('linux/s390x'), 'IMAGE_PLATFORM')
  expect(error.message).toContain('linux/s390x')
  expect(error.message).toContain('linux/amd64, linux/arm/v6, linux/arm/v7, linux/arm64/v8')
  // A box is for this machine, whatever else was pulled.
  const box = await runtime.create({ image: folder })
  expect((await box.exec('cat', ['/etc/arch'])).stdout).toBe('amd64undefined')
})

it('gives a pull up at a signal, and goes on from there', async () => {
  const stalling = await serveLayout(await layout(homes), { stallAfter: 4096 })
  const home = homes.folder()
  const runtime = await homes.open({ home, registries: [http(stalling.host)] })
  try {
    const now = AbortSignal.abort()
    const error = await failure(runtime.images.pull(`${stalling.host}/a:1`, { signal: now }), 'IMAGE_CANCELLED')
    expect(error.name).toBe('AbortError')
    const controller = new AbortController()
    const onProgress = (event: PullEvent) => {
      if (event.type === 'layerStart') controller.abort(new Error('enough'))
    }
    const pull = runtime.images.pull(`${stalling.host}/a:1`, { signal: controller.signal, onProgress })
    expect((await failure(pull, 'IMAGE_CANCELLED')).cause).toMatchObject({ message: 'enough' })
    expect(await runtime.images.list()).toEqual([])
    delete stalling.faults.stallAfter
    const thrown = new Error('from the callback')
    const throwing = () => {
      throw thrown
    }
    await expect(runtime.images.pull(`${stalling.host}/a:1`, { onProgress: throwing })).rejects.toBe(thrown)
    await runtime.images.pull(`${stalling.host}/a:1`)
    expect(readdirSync(join(home, 'images/blobs/sha256')).filter(name => name.includes('.'))).toEqual([])
  } finally {
    await stalling.stop()
  }
})

it('takes a mirror first, with its path, and the registry itself when the mirror fails', async () => {
  const away = `127.0.0.1:${await freePort()}`
  const registries = [
    { host: 'registry.example', mirrors: [away, `${registry.host}/team`] },
    http(away),
    http(registry.host),
  ]
  const runtime = await homes.open({ registries })
  const pulled = await runtime.images.pull('registry.example/app:1')
  expect(pulled.reference).toBe('registry.example/app:1')
  const home = await homes.open({ registries: [{ ...http(registry.host), mirrors: [`${registry.host}/nothing`] }] })
  expect((await home.images.pull(source)).digest).toBe(pulled.digest)
})

it('looks a short name up in each registry of the list', async () => {
  const searchRegistries = [registry.host, `${registry.host}/team`]
  const runtime = await homes.open({ registries: [http(registry.host)], searchRegistries })
  expect((await runtime.images.pull('app:1')).reference).toBe(source)
  await failure(runtime.images.pull('nowhere:1'), 'IMAGE_NOT_FOUND')
})

describe('an image in the cache', () => {
  let runtime: Runtime
  beforeAll(async () => {
    runtime = await homes.open({ registries: [http(registry.host)] })
    await runtime.images.pull(source)
  })

  it('is listed', async () => {
    const [image, ...more] = await runtime.images.list()
    expect(more).toEqual([])
    expect(image).toMatchObject({ reference: source, platform: 'linux/amd64', inUse: false })
    expect(Date.now() - Number(image?.pulledAt)).toBeLessThan(60_000)
  })

  it('returns its configuration', async () => {
    expect(await runtime.images.inspect(source)).toMatchObject({
      reference: source,
      env: { PATH: '/bin', GREETING: 'hello' },
      entrypoint: ['/bin/sh'],
      cmd: ['-i'],
      user: '12:34',
      workdir: '/srv',
      stopSignal: 'SIGINT',
      exposedPorts: ['80/tcp'],
      volumes: ['/data'],
      labels: { maker: 'tests' },
      healthcheck: { test: ['CMD', 'true'], intervalMs: 2000, retries: 0 },
      layers: [{ digest: expect.stringMatching(/^sha256:/) }, {}],
    })
    await failure(runtime.images.inspect('not/there:1'), 'IMAGE_NOT_CACHED')
  })

  it('is written to an archive that skopeo reads, and that boots elsewhere, packed or not', async () => {
    const folder = homes.folder()
    const archive = join(folder, 'app.tar')
    const { sizeBytes } = await runtime.images.save(source, archive)
    expect(statSync(archive).size).toBe(sizeBytes)
    for (const form of ['oci-archive', 'docker-archive']) {
      const result = await capture('skopeo', ['inspect', `${form}:${archive}`])
      expect(result.status, result.output).toBe(0)
    }
    const packed = join(folder, 'app.tar.gz')
    await pipeline(createReadStream(archive), createGzip(), createWriteStream(packed))
    for (const path of [archive, packed]) {
      const other = await homes.open()
      const [loaded, ...more] = await other.images.load(path)
      expect(more).toEqual([])
      expect(loaded).toMatchObject({ reference: source })
      const box = await other.create({ image: source, pullPolicy: 'never' })
      const { stdout } = await box.exec('sh', ['-c', 'echo $GREETING; pwd; id -u; cat /etc/app'])
      expect(stdout).toBe('hello\n/srv\n12\none')
      await box.remove({ force: true })
    }
    await failure(runtime.images.save('not/there:1', archive), 'IMAGE_NOT_CACHED')
    expect(statSync(archive).size).toBe(sizeBytes)
  })

  it('is forgotten on demand, its root disk once no box needs it', async () => {
    const box = await runtime.create({ image: source, user: 'root', workdir: '/', pullPolicy: 'never' })
    expect((await box.exec('sh', ['-c', 'id -u; pwd'])).stdout).toBe('0\n/\n')
    expect((await runtime.images.list())[0]?.inUse).toBe(true)
    expect((await runtime.images.prune({ unusedForMs: 0 })).images).toEqual([])
    expect(await runtime.images.remove(source)).toBe(true)
    expect(await runtime.images.remove(source)).toBe(false)
    expect(await runtime.images.df()).toMatchObject({ blobsBytes: 0, partialBytes: 0 })
    await box.stop()
    expect((await box.exec('cat', ['/etc/app'])).stdout).toBe('one')
    expect((await runtime.images.df()).disksBytes).toBeGreaterThan(0)
    await box.remove({ force: true })
    expect((await runtime.images.prune()).freedBytes).toBeGreaterThan(0)
    expect((await runtime.images.df()).disksBytes).toBe(0)
    const absent = await runtime.create({ image: source, pullPolicy: 'never' })
    await failure(absent.start(), 'IMAGE_NOT_CACHED')
    await absent.remove()
  })
})

it('boots a root file system, from a folder and from a packed tar file', async () => {
  const folder = homes.folder()
  const oci = await layout(homes, [[file('etc/kind', 'bare')]])
  const bundle = join(folder, 'bundle')
  const unpacked = await capture('umoci', ['unpack', '--rootless', '--image', `${oci}:latest`, bundle])
  expect(unpacked.status, unpacked.output).toBe(0)
  const root = join(bundle, 'rootfs')
  const tar = join(folder, 'root.tar.gz')
  expect((await capture('tar', ['-C', root, '-czf', tar, '.'])).status).toBe(0)
  const runtime = await homes.open()
  for (const image of [`rootfs:${root}`, `rootfs:${tar}`]) {
    const box = await runtime.create({ image })
    expect((await box.exec('cat', ['/etc/kind'])).stdout).toBe('bare')
    await box.remove({ force: true })
  }
  await failure(runtime.images.pull(`rootfs:${join(folder, 'nowhere')}`), 'IMAGE_NOT_FOUND')
})

it('keeps its quota by what was unused for the longest, and spares what is in use or just pulled', async () => {
  const home = homes.folder()
  const open = () => homes.open({ home, imageQuotaBytes: 1, registries: [http(registry.host)] })
  const runtime = await open()
  await registry.push(await layout(homes, [[file('etc/two', 'two')]]), 'team/two:1')
  await registry.push(await layout(homes, [[file('etc/three', 'three')]]), 'team/three:1')
  const [one, two, three] = [source, `${registry.host}/team/two:1`, `${registry.host}/team/three:1`]
  const box = await runtime.create({ image: one })
  await box.start()
  await runtime.images.pull(two)
  const references = async () => (await runtime.images.list()).map(image => image.reference).sort()
  expect(await references()).toEqual([one, two].sort())
  // Eleven minutes later: the time of a manifest's file is when its image was last used.
  const { digest } = await runtime.images.inspect(two)
  const old = `@${Math.floor(Date.now() / 1000) - 660}`
  const entry = join(home, 'images/blobs/sha256', digest.slice('sha256:'.length))
  expect((await capture('touch', ['-d', old, entry])).status).toBe(0)
  agePulls(home)
  await runtime.images.pull(three)
  await expect.poll(references, { timeout: 10_000 }).toEqual([one, three].sort())
  expect((await box.exec('cat', ['/etc/app'])).stdout).toBe('one')
  await box.remove({ force: true })
})

/** Makes all images of a home look as if they had been pulled an hour ago. */
function agePulls(home: string): void {
  const index = join(home, 'images/index.json')
  const content = JSON.parse(readFileSync(index, 'utf8'))
  for (const image of content.images) image.pulledAt -= 3600
  writeFileSync(index, JSON.stringify(content))
}
