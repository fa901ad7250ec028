// `Images`: the image cache of a home. Made by `runtime.ts`; pulls under way are in `pull.ts`.
import { resolve } from 'node:path'
import { type NativeInspectedImage, type NativeRuntime, settled } from './binding.js'
import { bindMembers } from './bound.js'
import { checkArgument, text } from './check.js'
import { camelCase } from './names.js'
import { checkPull, type PruneOptions, type PullOptions, pruneAge, pullInput } from './options/image.js'
import { type Pull, startPull } from './pull.js'
import { type PulledImage, pulledImage } from './pull-event.js'

/** An image in the list of `images.list()`. */
export interface ImageInfo {
  /** Its full reference, such as `docker.io/library/alpine:3`. */
  reference: string
  /** The digest of its manifest. */
  digest: string
  /** `os/architecture`, with `/variant` where the image has one: `linux/amd64`. */
  platform: string
  /** Bytes of its layers, compressed. */
  sizeBytes: number
  /** When it came into the cache, to the second. */
  pulledAt: Date
  /** When a start or a pull last requested it, to the second. */
  usedAt: Date
  /** Whether a box was made of it. Such an image is never removed to keep the quota. */
  inUse: boolean
}

/** An image with its configuration; `images.inspect()`. */
export interface ImageDetails {
  /** Its full reference. */
  reference: string
  /** The digest of its manifest. */
  digest: string
  /** `os/architecture[/variant]`. */
  platform: string
  /** Environment variables. */
  env: Record<string, string>
  /** The program that the image is for; empty where it names none. Boxes run what you `exec`. */
  entrypoint: string[]
  /** The arguments of `entrypoint`, or the program where there is no entrypoint. */
  cmd: string[]
  /** The user that boxes run commands as, unless an option says otherwise; `null` is root. */
  user: string | null
  /** The folder that boxes run commands in, unless an option says otherwise; `null` is `/`. */
  workdir: string | null
  /** The signal that ends the program, such as `SIGINT`; `null` is SIGTERM. */
  stopSignal: string | null
  /** Exposed ports, such as `80/tcp`. */
  exposedPorts: string[]
  /** Folders that are meant to be volumes. */
  volumes: string[]
  labels: Record<string, string>
  /** docker's health check; a 0 is docker's default. */
  healthcheck: {
    test: string[]
    intervalMs: number
    timeoutMs: number
    startPeriodMs: number
    retries: number
  } | null
  /** The layers, lowest first. */
  layers: { digest: string; diffId: string; sizeBytes: number }[]
}

/** What `images.prune()` removed. */
export interface PruneResult {
  /** The references that are no longer in the cache. */
  images: string[]
  /** Bytes that are free again. */
  freedBytes: number
}

/** What a home takes on the disk; `images.df()`. */
export interface ImageUsage {
  /** Layers and manifests. */
  blobsBytes: number
  /** What interrupted pulls left to be resumed. */
  partialBytes: number
  /** Root disks that were made of images; boxes of one image share one. */
  disksBytes: number
  /** What boxes wrote. It does not count against the quota. */
  boxesBytes: number
  /** What the first three may take together. */
  quotaBytes: number
  /** What is free on the cache's disk. */
  freeBytes: number
}

/** Makes the image cache's handle. Not part of the public API. */
export let makeImages: (native: () => Promise<NativeRuntime>) => Images

/** The image cache of a home; `runtime.images`. */
export class Images {
  #native: () => Promise<NativeRuntime>

  static {
    makeImages = native => new this(native)
  }

  private constructor(native: () => Promise<NativeRuntime>) {
    this.#native = native
    bindMembers(this)
  }

  /**
   * Brings an image into the cache and makes its root disk, so that the first start of a box need not. The result is both
   * a promise of the image and an iteration of the pull's steps; see {@link Pull}. Rejects with an {@link ImageError} or a
   * {@link StorageError}; with `IMAGE_CANCELLED` when the option `signal` ends it, after which the next pull goes on where
   * this one stopped.
   *
   * @param source - a registry reference such as `alpine:3`; the path of an OCI layout folder or of an archive (OCI, or of
   *   `docker save`; also compressed); or `rootfs:PATH`, a folder or tar file of a root file system
   */
  pull(source: string, options?: PullOptions): Pull {
    try {
      checkArgument('images.pull', 'source', source, text)
      const checked = checkPull(options)
      const start = async () => settled((await this.#native()).pull(pullInput(source, checked)))
      return startPull(source, start, checked)
    } catch (error) {
      return startPull(source, () => Promise.reject(error), {})
    }
  }

  /** Resolves with every image in the cache, sorted by reference. */
  async list(): Promise<ImageInfo[]> {
    const images = await settled((await this.#native()).listImages())
    return images.map(({ pulled_at_ms, used_at_ms, ...image }) => ({
      ...camelCase(image),
      pulledAt: new Date(pulled_at_ms),
      usedAt: new Date(used_at_ms),
    }))
  }

  /** Resolves with an image's configuration. Rejects with `IMAGE_NOT_CACHED`. */
  async inspect(source: string): Promise<ImageDetails> {
    checkArgument('images.inspect', 'source', source, text)
    return details(await settled((await this.#native()).inspectImage(source)))
  }

  /** Removes an image from the cache; resolves with `false` if it was not there. Boxes that were made of it keep working. */
  async remove(source: string): Promise<boolean> {
    checkArgument('images.remove', 'source', source, text)
    return settled((await this.#native()).removeImage(source))
  }

  /**
   * Removes every image that no box was made of, and what interrupted pulls left. What was used in the last minute is
   * spared unless `unusedForMs` says otherwise.
   */
  async prune(options?: PruneOptions): Promise<PruneResult> {
    const age = pruneAge(options)
    const { images, freed } = await settled((await this.#native()).pruneImages(age))
    return { images, freedBytes: freed }
  }

  /** Writes an image to the tar file `file`, which docker, podman, skopeo and `load` read. Rejects with `IMAGE_NOT_CACHED`. */
  async save(source: string, file: string): Promise<{ sizeBytes: number }> {
    checkArgument('images.save', 'source', source, text)
    checkArgument('images.save', 'file', file, text)
    return { sizeBytes: await settled((await this.#native()).saveImage(source, resolve(file))) }
  }

  /** Brings every image of an archive, or of an OCI layout folder, into the cache under its own name. */
  async load(path: string): Promise<PulledImage[]> {
    checkArgument('images.load', 'path', path, text)
    return (await settled((await this.#native()).loadImages(resolve(path)))).map(pulledImage)
  }

  /** Resolves with what this home takes on the disk. */
  async df(): Promise<ImageUsage> {
    const { blobs, partial, disks, boxes, quota, free } = await settled((await this.#native()).imageUsage())
    return {
      blobsBytes: blobs,
      partialBytes: partial,
      disksBytes: disks,
      boxesBytes: boxes,
      quotaBytes: quota,
      freeBytes: free,
    }
  }
}

function details({ reference, digest, platform, config, layers }: NativeInspectedImage): ImageDetails {
  const variables = config.env.map(line => {
    const at = line.indexOf('=')
    return at < 0 ? [line, ''] : [line.slice(0, at), line.slice(at + 1)]
  })
  const milliseconds = (nanoseconds: number) => Math.trunc(nanoseconds / 1e6)
  return {
    reference,
    digest,
    platform,
    env: Object.fromEntries(variables),
    entrypoint: config.entrypoint,
    cmd: config.cmd,
    user: config.user,
    workdir: config.working_dir,
    stopSignal: config.stop_signal,
    exposedPorts: config.exposed_ports,
    volumes: config.volumes,
    labels: config.labels,
    healthcheck: config.healthcheck && {
      test: config.healthcheck.Test,
      intervalMs: milliseconds(config.healthcheck.Interval),
      timeoutMs: milliseconds(config.healthcheck.Timeout),
      startPeriodMs: milliseconds(config.healthcheck.StartPeriod),
      retries: config.healthcheck.Retries,
    },
    layers: layers.map(({ digest, diff_id, size }) => ({ digest, diffId: diff_id, sizeBytes: size })),
  }
}
