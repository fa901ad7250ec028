// A real registry on loopback: Debian's docker-registry, filled with skopeo. Used by the e2e tests of pulling.
import { spawn } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { capture } from '../../scripts/command.mjs'

export interface Registry {
  readonly host: string
  /** The folder of the registry's blobs, for tests that damage them. */
  readonly storage: string
  /** Copies the OCI layout in `folder` to `name:tag`, with all its architectures. */
  push(folder: string, name: string): Promise<void>
  stop(): Promise<void>
}

/** Starts a registry that stores everything in `folder`. */
export async function startRegistry(folder: string): Promise<Registry> {
  const host = `127.0.0.1:${await freePort()}`
  const storage = join(folder, 'storage')
  mkdirSync(storage)
  const config = {
    version: 0.1,
    log: { level: 'error' },
    storage: { filesystem: { rootdirectory: storage } },
    http: { addr: host },
  }
  writeFileSync(join(folder, 'config.yml'), JSON.stringify(config))
  const server = spawn('docker-registry', ['serve', join(folder, 'config.yml')], { stdio: 'ignore' })
  const ended = new Promise(resolve => server.once('close', resolve))
  await answering(`http://${host}/v2/`)
  return {
    host,
    storage,
    async push(layout, name) {
      const args = ['copy', '--all', '--insecure-policy', '--dest-tls-verify=false']
      const result = await capture('skopeo', [...args, `oci:${layout}:latest`, `docker://${host}/${name}`])
      if (result.status !== 0) throw new Error(`skopeo: ${result.output}`)
    },
    async stop() {
      server.kill()
      await ended
    },
  }
}

/** Returns a port that is not in use. */
export function freePort(): Promise<number> {
  return new Promise(resolve => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address() as { port: number }
      server.close(() => resolve(port))
    })
  })
}

async function answering(url: string): Promise<void> {
  for (let tries = 0; tries < 100; tries++) {
    const answer = await fetch(url).catch(() => undefined)
    if (answer?.ok) return
    await new Promise(resolve => setTimeout(resolve, 100))
  }
  throw new Error(`${url} does not answer`)
}
