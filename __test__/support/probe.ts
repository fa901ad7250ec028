// Tries destinations from inside a box that has python3, all in one process, since starting a program takes most of the time of an emulated
// box. Used by the tests of what a box may reach; the program in the box is probe.py.
import { readFileSync } from 'node:fs'
import { expect } from 'vitest'
import type { Host } from './internet.js'

const program = readFileSync(new URL('probe.py', import.meta.url), 'utf8')
const TYPES = { A: 1, PTR: 12, MX: 15, TXT: 16, AAAA: 28, HTTPS: 65, ANY: 255 }

export class Probe {
  readonly #host: Host
  readonly #box: string

  private constructor(host: Host, box: string) {
    this.#host = host
    this.#box = box
  }

  /** Starts the program in a box of `host`. */
  static async start(host: Host, box: string): Promise<Probe> {
    await host.peer.run(
      async (runtime, { box, program }, kept) => {
        const child = (await runtime.get(box)).spawn('python3', ['-c', program])
        const output = child.stdout[Symbol.asyncIterator]()
        let waiting = ''
        kept[box] = async (call: unknown[]) => {
          child.stdin.write(`${JSON.stringify(call)}\n`)
          while (!waiting.includes('\n')) {
            const { value, done } = await output.next()
            if (done) throw new Error('the program in the box has ended')
            waiting += value
          }
          const [line = '', ...rest] = waiting.split('\n')
          waiting = rest.join('\n')
          return JSON.parse(line)
        }
        // A command that runs keeps the runtime's program alive.
        kept[`end ${box}`] = async () => {
          child.stdin.end()
          child.stderr.resume()
          while (!(await output.next()).done) {}
        }
      },
      { box, program },
    )
    return new Probe(host, box)
  }

  /** Ends the program. */
  async end(): Promise<void> {
    await this.#host.peer.run(async (_, box, kept) => {
      await kept[`end ${box}`]()
    }, this.#box)
  }

  #call<T>(...call: unknown[]): Promise<T> {
    return this.#host.peer.run((_, { box, call }, kept) => kept[box](call), { box: this.#box, call }) as Promise<T>
  }

  /**
   * Sends something to each `PROTOCOL ADDRESS PORT` and returns what came of it: `answered`, or the name of the error, which has to
   * come within a second.
   */
  async reach(...targets: string[]): Promise<Record<string, string>> {
    const found: Record<string, string> = {}
    for (const target of targets) {
      const [protocol, address, port] = target.split(' ')
      const { what, seconds } = await this.#call<{ what: string; seconds: number }>(
        'reach',
        protocol,
        address,
        Number(port),
      )
      if (what !== 'answered') expect(seconds, `${target}: ${what}`).toBeLessThan(1)
      found[target] = what
    }
    return found
  }

  /** Asks for a name, and returns its addresses, `NODATA`, or the name of the error. */
  resolve(name: string, type: keyof typeof TYPES = 'A', over: 'udp' | 'tcp' = 'udp', server?: string): Promise<string> {
    return this.#call('resolve', name, TYPES[type], over, server)
  }

  /** Sends requests for hosts over one connection, and returns what comes until its end. */
  http(address: string, ...hosts: string[]): Promise<string> {
    return this.#call('talk', address, 80, requests(hosts))
  }

  /** Sends a request by TLS with `name` as its SNI, and returns what comes, or the name of the error. */
  https(address: string, name: string | null): Promise<string> {
    return this.#call('talk', address, 443, requests([name ?? address]), true, name)
  }

  /** Sends a text, and returns what comes until the end, or the name of the error. */
  talk(address: string, port: number, text: string): Promise<string> {
    return this.#call('talk', address, port, text)
  }

  /** Opens a connection to an echo and keeps it. Returns its answer, `x` and a newline, or the name of the error. */
  hold(address: string, port: number): Promise<string> {
    return this.#call('hold', address, port)
  }

  /** Returns what ends the connection that is kept, after a byte is sent over it if it `speaks`. */
  held({ speaks = false } = {}): Promise<string> {
    return this.#call('held', speaks)
  }

  /** Sends a thousand bytes, ends that direction, and returns what comes until the other one ends. */
  halfClose(address: string, port: number): Promise<string> {
    return this.#call('half_close', address, port)
  }

  /** Sends bytes to an echo while they come back, and returns whether they are the same. */
  exchange(address: string, port: number, size: number): Promise<boolean> {
    return this.#call('exchange', address, port, size)
  }

  /** Sends datagrams of these sizes to an echo. Returns for each `same` if it comes back as it was, or the name of the error. */
  datagrams(address: string, port: number, sizes: number[], patienceMs = 20_000): Promise<string[]> {
    return this.#call('datagrams', address, port, sizes, patienceMs / 1000)
  }

  /** Asks by DHCP, and returns the address, the router and the name server that are offered. */
  lease(): Promise<string> {
    return this.#call('lease')
  }

  /** Serves in the box from now on: over UDP an echo, over TCP the number of bytes until the client ends its direction. */
  serve(protocol: 'tcp' | 'udp', address: string, port: number): Promise<void> {
    return this.#call('serve', protocol, address, port)
  }
}

/** Requests of HTTP/1.1, of which the last one ends the connection. */
function requests(hosts: string[]): string {
  const last = hosts.length - 1
  return hosts
    .map((host, at) => `GET / HTTP/1.1\r\nHost: ${host}\r\n${at === last ? 'Connection: close\r\n' : ''}\r\n`)
    .join('')
}
