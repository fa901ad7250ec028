// How a box comes to its addresses, and what of its files follows from them. The agent configures the link by `Guest.Init`, so a start
// asks nobody; a DHCP client of the box's own is answered all the same. What a user has edited inside stays.
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { NetworkOptions } from '../../../index.mjs'
import { useHomes } from '../../support/homes.js'
import { layout } from '../../support/images.js'
import { type Host, useInternet, WORLD } from '../../support/internet.js'

const homes = useHomes()
const internet = useInternet(homes)
let host: Host
let image: string

beforeAll(async () => {
  image = await layout(homes)
  host = await internet.start(homes.folder())
})

const restart = (id: string) => host.peer.run(async (runtime, id) => (await runtime.get(id)).restart(), id)
const remove = (id: string) =>
  host?.peer.run(async (runtime, id) => (await runtime.get(id)).remove({ force: true }), id)

describe.each<NonNullable<NetworkOptions['backend']>>(['gateway', 'libslirp'])('%s', backend => {
  let box: string
  const output = (line: string) => host.output(box, line)
  beforeAll(async () => {
    box = await host.create({
      image,
      name: `named-${backend}`,
      network: { backend, mtu: 1400, subnet: '10.88.77.0/24' },
    })
  })
  afterAll(() => remove(box))

  it('has its link, and files that follow from it, before anything runs', async () => {
    expect(await output('ip -4 -o address show eth0')).toContain(' 10.88.77.2/24 ')
    expect(await output('ip -4 route show default')).toContain('default via 10.88.77.1 dev eth0')
    expect(await output('cat /sys/class/net/eth0/mtu')).toBe('1400\n')
    // The kernel says `up` in this file up to a second after the link is.
    await expect.poll(() => output('cat /sys/class/net/eth0/operstate'), { timeout: 10_000 }).toBe('up\n')
    expect(await output('cat /etc/resolv.conf')).toBe('nameserver 10.88.77.1\nsearch corp.example\n')
    expect(await output('cat /etc/hosts')).toContain('10.88.77.254\thost.boxlite.internal\n')
    expect(await output('cat /etc/hosts')).toMatch(new RegExp(`\\snamed-${backend}\\n`))
    expect(await output('hostname; cat /etc/hostname')).toBe(`named-${backend}\n`.repeat(2))
  })

  it('answers a DHCP client of the box, which gets the addresses that it has', async () => {
    await output(`cat > /tmp/tell << 'end'
#!/bin/sh
[ "$1" = bound ] && echo "$ip/$mask $router $dns $mtu $search" > /tmp/told
exit 0
end
chmod 755 /tmp/tell`)
    const asked = await output('udhcpc -f -q -n -t 5 -i eth0 -O mtu -O search -s /tmp/tell')
    expect(asked).toContain('lease of 10.88.77.2 obtained')
    expect(await output('cat /tmp/told')).toBe('10.88.77.2/24 10.88.77.1 10.88.77.1 1400 corp.example\n')
    expect(await output('wget -qO- http://web.example/')).toBe(`hello from ${WORLD.web}\n`)
  })

  it('keeps what was edited inside, and renews what was not, over stop and start', async () => {
    await output('echo "10.0.0.1 mine" >> /etc/hosts')
    internet.setResolvers(`search other.example\nnameserver ${WORLD.resolver}\n`)
    await restart(box)
    expect(await output('tail -n 1 /etc/hosts')).toBe('10.0.0.1 mine\n')
    expect(await output('cat /etc/resolv.conf')).toBe('nameserver 10.88.77.1\nsearch other.example\n')
    await output('echo "options timeout:9" > /etc/resolv.conf; echo mine > /etc/hostname')
    internet.setResolvers(`search corp.example\nnameserver ${WORLD.resolver}\n`)
    await restart(box)
    expect(await output('cat /etc/resolv.conf /etc/hostname')).toBe('options timeout:9\nmine\n')
    expect(await output('tail -n 1 /etc/hosts')).toBe('10.0.0.1 mine\n')
    // Other addresses, of a link that somebody changes inside, are the kernel's until the next start.
    await output('ip address add 10.88.77.9/24 dev eth0; ip link set eth0 mtu 1300')
    await restart(box)
    expect(await output('ip -4 -o address show eth0')).not.toContain('10.88.77.9')
    expect(await output('cat /sys/class/net/eth0/mtu')).toBe('1400\n')
  })
})

describe('libslirp', () => {
  it('serves nothing of its own: not TFTP, not the host, not another address of the link', async () => {
    const box = await host.create({ image, network: { backend: 'libslirp' } })
    const output = (line: string) => host.output(box, line)
    const expectNothing = async (address: string) => {
      expect(await output(`timeout 15 nc -w 10 ${address} 22 < /dev/null; echo ended $?`)).toContain('ended 1')
      const tftp = `timeout 3 tftp -g -r passwd -l /tmp/${address} ${address}; ls /tmp/${address}`
      expect(await output(tftp)).toContain('No such file')
    }
    await Promise.all(['192.168.127.254', '192.168.127.1', '192.168.127.77'].map(expectNothing))
    await remove(box)
  })

  it('is not there: the start says so, with a remedy, and the box starts when it is', async () => {
    const named = (path: string) =>
      host.peer.run((_, path) => {
        process.env.BOXLITE_LIBSLIRP = path
      }, path)
    await named('/nowhere/libslirp.so.0')
    const said = await host.peer.run(async (runtime, image) => {
      const box = await runtime.create({ image, name: 'absent', network: { backend: 'libslirp' } })
      try {
        await box.start()
        return 'started'
      } catch (error) {
        const { code, message, hint } = error as { code: string; message: string; hint: string }
        return `${code} ${message} ${hint}`
      }
    }, image)
    expect(said).toMatch(/^NETWORK_FAILED .*load libslirp: \/nowhere\/libslirp.so.0: /)
    expect(said).toContain('apt-get install libslirp0')
    await named('')
    expect((await host.sh('absent', 'cat /etc/hostname')).stdout).toBe('absent\n')
    await remove('absent')
  })
})
