// A fake of the native half's ports: what dials reaches a service of this process on 127.0.0.1, whatever the box.
import { connect, type Socket } from 'node:net'
import type { Failure, NativeBox, NativeConnection, NativePort, NativePortWish, Outcome } from '../../lib/binding.js'
import { type Box, makeBox } from '../../lib/box.js'

export const CLOSED: Failure = { code: 'PORT_CLOSED', message: 'connect to port 1 of box `b1`: refused', causes: [] }

class FakeConnection implements NativeConnection {
  closed = false
  #socket: Socket
  #chunks: AsyncIterator<Buffer>

  constructor(socket: Socket) {
    this.#socket = socket
    this.#chunks = socket.iterator({ destroyOnReturn: false })
  }

  async read(): Promise<Outcome<Buffer | null>> {
    try {
      const { done, value } = await this.#chunks.next()
      return { ok: done ? null : value }
    } catch {
      return this.closed ? { ok: null } : { error: { ...CLOSED, message: 'read from port 1 of box `b1`: reset' } }
    }
  }

  async write(data: Uint8Array): Promise<Outcome<void>> {
    await new Promise<void>(resolve => this.#socket.write(data, () => resolve()))
    return {}
  }

  async end(): Promise<Outcome<void>> {
    this.#socket.end()
    return {}
  }

  close(): void {
    this.closed = true
    this.#socket.destroy()
  }
}

/** A box whose ports are those of this machine; `dialled` are the connections so far. */
export function portBox(): {
  box: Box
  dialled: FakeConnection[]
  published: NativePortWish[]
  cancelled: () => number
} {
  const dialled: FakeConnection[] = []
  const published: NativePortWish[] = []
  let cancels = 0
  const begin = (port: number) => {
    const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true })
    const gone = new AbortController()
    const wait = () =>
      new Promise<Outcome<NativeConnection>>(resolve => {
        gone.signal.addEventListener('abort', () =>
          resolve({ error: { code: 'ABORTED', message: 'aborted', causes: [] } }),
        )
        socket.once('error', () => resolve({ error: CLOSED }))
        socket.once('connect', () => {
          socket.on('error', () => {})
          const connection = new FakeConnection(socket)
          dialled.push(connection)
          resolve({ ok: connection })
        })
      })
    const cancel = () => {
      cancels += 1
      gone.abort()
    }
    return { wait, cancel }
  }
  const native: Partial<NativeBox> = {
    id: 'b1',
    name: null,
    image: 'alpine:3',
    start: () => ({ wait: async () => ({}), cancel() {} }),
    quote: word => word,
    connect: begin,
    async publish(wish) {
      published.push(wish)
      return { ok: { host: 4711, protocol: 'tcp', bind: '127.0.0.1', ...wish } as NativePort }
    },
    waitForPort: port => {
      const { wait, cancel } = begin(port)
      return {
        cancel,
        async wait() {
          const { error } = await wait()
          return error ? { error } : {}
        },
      }
    },
  }
  return { box: makeBox(native as NativeBox), dialled, published, cancelled: () => cancels }
}
