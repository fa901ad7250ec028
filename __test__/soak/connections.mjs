// Many connections of one box, at once and one after the other, after which neither this program nor the shim nor the box may hold more
// than before. The echo server that they reach is this program, on the host's loopback. Called by soak.mjs.
import { once } from 'node:events'
import { readFileSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { capture } from '../../scripts/command.mjs'
import { Failure } from '../../scripts/failure.mjs'
import { HOST_SIDE_ALLOWED, hostSide } from './executions.mjs'

const source = fileURLToPath(new URL('connector.c', import.meta.url))

/** Connections at once. */
const CROWD = 1000
/** How long the ends of connections may take to get about. The box's kernel holds its own for a minute, without a descriptor. */
const QUIET_MS = 30_000

/** How much each figure may grow, however many connections there were: allocators retain memory, and so do caches of the kernel. */
const ALLOWED = {
  ...HOST_SIDE_ALLOWED,
  'sockets in use in the box': 0,
  'files open in the box': 16,
  'KiB of the box’s kernel': 4096,
  'KiB of the box’s programs': 1024,
}

/**
 * @param {import('../../index.mjs').Runtime} runtime @param {string} image @param {string} folder @param {number} count
 * @param {(line: string) => void} say
 * @returns {Promise<string[]>} the faults
 */
export async function connections(runtime, image, folder, count, say) {
  let most = 0
  const server = createServer(socket => socket.on('error', () => {}).pipe(socket))
  server.listen({ port: 0, host: '127.0.0.1', backlog: 4096 })
  await once(server, 'listening')
  const { port } = /** @type {import('node:net').AddressInfo} */ (server.address())
  const box = await runtime.create({ image, network: { allow: [`host:${port}`] } })
  try {
    await install(box, folder)
    /** @param {number} number @param {'together' | 'inturn'} how */
    const connect = async (number, how) => {
      const line = `/connector $(awk '$2 == "host.boxlite.internal" { print $1; exit }' /etc/hosts) ${port} ${number} ${how}`
      const { stdout } = await box.exec('sh', ['-c', line], { check: true, timeoutMs: 900_000 })
      if (stdout !== `${number}\n`) throw new Error(`${number} connections: ${JSON.stringify(stdout)}`)
    }
    server.on('connection', () => server.getConnections((_, open) => (most = Math.max(most, open))))
    await connect(CROWD, 'together')
    await connect(100, 'inturn')
    const before = await measure(box, server)
    most = 0
    const began = performance.now()
    await connect(CROWD, 'together')
    const together = performance.now()
    await connect(count, 'inturn')
    const each = (performance.now() - together) / count
    const after = await measure(box, server)
    say(
      `${CROWD} connections at once: ${(together - began).toFixed(0)} ms; ${count} in a row: ${each.toFixed(2)} ms each`,
    )
    for (const [name, value] of Object.entries(before)) say(`  ${name}: ${value} before, ${after[name]} after`)
    const faults = Object.entries(ALLOWED).flatMap(([name, allowed]) => {
      const [then, now] = [Number(before[name]), Number(after[name])]
      return now <= then + allowed ? [] : [`${name}: ${then} before, ${now} after`]
    })
    if (most < CROWD) faults.push(`only ${most} connections were open at one time`)
    const { network } = await box.metrics()
    const total = 2 * CROWD + 100 + count
    if (network?.connectionsTotal !== total)
      faults.push(`${network?.connectionsTotal} connections were counted of ${total}`)
    if (network?.refusals !== 0) faults.push(`${network?.refusals} were refused`)
    return faults
  } finally {
    await box.remove({ force: true })
    server.close()
  }
}

/** @param {import('../../index.mjs').Box} box @param {string} folder */
async function install(box, folder) {
  const program = join(folder, 'connector')
  const built = await capture('gcc', ['-O1', '-static', '-Wall', '-Wextra', '-Werror', '-o', program, source])
  if (built.status !== 0) throw new Failure(`gcc: ${built.output}`, 'npm run setup installs gcc and libc6-dev')
  await box.fs.writeFile('/connector', readFileSync(program), { mode: 0o755 })
  rmSync(program)
}

/**
 * Measures what program, shim and box hold once no connection is open.
 * @param {import('../../index.mjs').Box} box @param {import('node:net').Server} server @returns {Promise<Record<string, number>>}
 */
async function measure(box, server) {
  const until = performance.now() + QUIET_MS
  const open = async () => {
    const here = await new Promise(counted => server.getConnections((_, count) => counted(count)))
    return here + ((await box.metrics()).network?.connections ?? 0)
  }
  while ((await open()) > 0) {
    if (performance.now() > until) throw new Error(`${await open()} connections have no end after ${QUIET_MS} ms`)
    await delay(100)
  }
  const line = `awk '/^TCP:/ { print $3 }' /proc/net/sockstat; cut -f 1 /proc/sys/fs/file-nr
    grep -E '^(SUnreclaim|AnonPages)' /proc/meminfo`
  const { stdout } = await box.exec('sh', ['-c', line], { check: true })
  const [sockets = Number.NaN, files = Number.NaN] = stdout.split('\n').map(Number)
  const memory = (/** @type {string} */ name) => Number(new RegExp(`${name}: *(\\d+)`).exec(stdout)?.[1])
  const { pid } = await box.info()
  for (let i = 0; i < 3; i++) globalThis.gc?.()
  return {
    ...hostSide('self', 'this program'),
    ...hostSide(String(pid), 'the shim'),
    'sockets in use in the box': sockets,
    'files open in the box': files,
    'KiB of the box’s kernel': memory('SUnreclaim'),
    'KiB of the box’s programs': memory('AnonPages'),
  }
}
