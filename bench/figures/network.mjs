// The network of a box, against servers of this process on the host's loopback: rates of a download and an upload, the time of a small
// request, and what a network costs a start and an idle box. The programs in the box are busybox' wget, nc and dd.
import { EventEmitter, once } from 'node:events'
import { createServer as createHttp, get } from 'node:http'
import { createServer as createTcp } from 'node:net'
import { median, middle, timed } from '../clock.mjs'
import { withBox } from '../with-box.mjs'
import { startOf } from './cold-start.mjs'
import { memoryOfIdle } from './memory.mjs'

const BYTES = 32 << 20
const BLOCK = Buffer.alloc(1 << 16, 'x')

/** @typedef {import('../bench.mjs').Bench} Bench */

/**
 * Runs `use` with a box that may reach `server`, and with the server's host and port as the box sees them.
 * @template T
 * @param {Bench} bench @param {import('node:net').Server} server @param {(box: import('../../index.js').Box, host: string, port: string) => Promise<T>} use
 */
async function withServer(bench, server, use) {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = /** @type {import('node:net').AddressInfo} */ (server.address())
  try {
    return await withBox(bench, box => use(box, 'host.boxlite.internal', String(port)), {
      network: { allow: [`host:${port}`] },
    })
  } finally {
    server.close()
  }
}

/** @type {import('../bench.mjs').Figure} */
const download = {
  name: 'download',
  unit: 'MB/s',
  measure: bench => {
    const server = createHttp(async (_, answer) => {
      answer.setHeader('content-length', BYTES)
      for (let sent = 0; sent < BYTES; sent += BLOCK.length) {
        if (!answer.write(BLOCK)) await once(answer, 'drain')
      }
      answer.end()
    })
    return withServer(bench, server, (box, host, port) => {
      const wget = ['-qO', '/dev/null', `http://${host}:${port}/`]
      return median(3, async () => BYTES / 1000 / (await timed(() => box.exec('wget', wget, { check: true }))))
    })
  },
}

/**
 * `dd` writes into the connection itself. The time ends when the server has everything.
 * @type {import('../bench.mjs').Figure}
 */
const upload = {
  name: 'upload',
  unit: 'MB/s',
  measure: bench => {
    const events = new EventEmitter()
    const server = createTcp(socket => {
      let bytes = 0
      socket.on('data', data => {
        bytes += data.length
      })
      socket.on('end', () => events.emit('received', bytes))
    })
    return withServer(bench, server, (box, host, port) =>
      median(3, async () => {
        const dd = ['dd', 'if=/dev/zero', `bs=${BLOCK.length}`, `count=${BYTES / BLOCK.length}`]
        const received = once(events, 'received')
        const took = await timed(async () => {
          await box.exec('nc', [host, port, '-e', ...dd], { check: true })
          await received
        })
        const [bytes] = await received
        if (bytes !== BYTES) throw new Error(`${bytes} bytes were uploaded instead of ${BYTES}`)
        return BYTES / 1000 / took
      }),
    )
  },
}

/** Requests of the host's own before, after which the server's JavaScript is compiled. */
const WARMING = 2000
/** Requests of the box, in groups. */
const [GROUPS, GROUP] = [30, 10]

/**
 * A whole small request: a wget starts, finds the address, connects, reads and ends. The time is that from one request's arrival to the
 * next one's, in a loop of the box's shell. It is the median of groups of ten, since V8 compiles the server's code and collects its garbage
 * in bursts, on threads that share the lab's only processor: a mean would have them too.
 * @type {import('../bench.mjs').Figure}
 */
const smallRequest = {
  name: 'smallRequest',
  unit: 'ms',
  measure: bench => {
    /** @type {number[]} */
    const arrivals = []
    const server = createHttp((_, answer) => {
      arrivals.push(performance.now())
      answer.end('x')
    })
    return withServer(bench, server, async (box, host, port) => {
      for (let i = 0; i < WARMING; i++) await answered(port)
      arrivals.length = 0
      const wget = `wget -qO /dev/null http://${host}:${port}/`
      const line = `i=0; while [ $i -le ${GROUPS * GROUP} ]; do ${wget} || exit; i=$((i + 1)); done`
      await box.exec('sh', ['-c', line], { check: true })
      const starts = arrivals.filter((_, index) => index % GROUP === 0)
      return middle(starts.slice(1).map((start, index) => (start - Number(starts[index])) / GROUP))
    })
  },
}

/** Sends a request of this process' own. @param {string} port */
async function answered(port) {
  const [answer] = await once(get({ host: '127.0.0.1', port, agent: false }), 'response')
  await once(answer.resume(), 'end')
}

/** @type {import('../bench.mjs').Figure} */
const networkStart = {
  name: 'networkStart',
  unit: 'ms',
  measure: async bench => {
    /** @type {number[]} */
    const without = []
    /** @type {number[]} */
    const having = []
    for (let i = 0; i < 7; i++) {
      without.push(await startOf(bench))
      having.push(await startOf(bench, { network: 'default' }))
    }
    return middle(having) - middle(without)
  },
}

/** So many boxes with a network run beside as many without. */
const BESIDE = 5

/**
 * What an idle box takes with a network, beyond one without: the difference of the medians of boxes that run side by side. One alone would
 * be charged the whole of the program that all shims share, and the kernel of each places things at random: a huge page more or less is
 * 2 MiB.
 * @type {import('../bench.mjs').Figure}
 */
const networkMemory = {
  name: 'networkMemory',
  unit: 'MiB',
  measure: async ({ runtime, image }) => {
    /** @type {import('../../index.js').Box[]} */
    const boxes = []
    try {
      for (let i = 0; i < 2 * BESIDE; i++) {
        const box = await runtime.create({ image, network: i % 2 === 0 ? 'none' : 'default' })
        boxes.push(box)
        await box.exec('true', [], { check: true })
      }
      const each = await memoryOfIdle(boxes)
      return middle(each.filter((_, i) => i % 2 === 1)) - middle(each.filter((_, i) => i % 2 === 0))
    } finally {
      await Promise.all(boxes.map(box => box.remove({ force: true })))
    }
  },
}

/** @type {import('../bench.mjs').Figure[]} */
export const network = [download, upload, smallRequest, networkStart, networkMemory]
