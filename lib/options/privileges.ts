// What the processes of a box may do beyond those of an ordinary one, or less. Part of the options of `runtime.create`, checked
// here for `box.ts` beside; the runtime knows the names of capabilities.
import type { BoxInput } from '../binding.js'
import { arrayOf, boolean, type Check, checkOptions, object, type Shape, text, word } from '../check.js'
import { InvalidArgumentError } from '../errors.js'

/** Capabilities of Linux by name, as `'NET_ADMIN'` or `'CAP_NET_ADMIN'`; `'ALL'` is every one. */
export interface CapabilityOptions {
  /** Over docker's default ones. */
  add?: readonly string[]
  /** Of docker's default ones; with `add: ['ALL']`, of all. */
  drop?: readonly string[]
}

/** What the processes of a box may do to their own machine; nothing of it opens anything of the host. */
export interface PrivilegeOptions {
  /** Capabilities of the box's root processes, up to 64 in each list. Default: docker's 14. */
  capabilities?: CapabilityOptions
  /** Parameters of the box's kernel by name, such as `{ 'net.ipv4.ip_forward': '1' }`, up to 64. Default: see `docs/api.md`. */
  sysctls?: Record<string, string | number>
  /**
   * Devices of the machine beside docker's default ones, up to 64: `'/dev/fuse'`, `'/dev/net/tun'`, or `'/dev/loop-control'`,
   * which brings the loop devices. Default: none.
   */
  devices?: readonly string[]
  /**
   * Every capability and every device, nothing masked or read-only, the box's control groups its own: what containers, systemd
   * and mounts in the box need. The host is as safe from it as from any box. Default: `false`.
   */
  privileged?: boolean
}

const names = arrayOf(text, 'strings that are not empty, without NUL byte')

const CAPABILITIES: Shape<CapabilityOptions> = { add: names, drop: names }

const sysctls: Check = {
  expected: "an object of strings and integers, whose names are as 'net.ipv4.ip_forward'",
  holds: value =>
    object.holds(value) &&
    Object.entries(value as object).every(
      ([name, item]) =>
        /^[A-Za-z0-9_-]+([./][A-Za-z0-9_-]+)+$/.test(name) &&
        (Number.isSafeInteger(item) || (text.holds(item) && !(item as string).includes('\n'))),
    ),
}

const devices: Check = {
  expected: "an array of paths such as '/dev/fuse'",
  holds: value =>
    Array.isArray(value) && value.every(path => word.holds(path) && /^\/dev(\/(?!\.{1,2}(\/|$))[^/]+)+$/.test(path)),
}

/** Part of the shape of `runtime.create`'s options. */
export const PRIVILEGES: Shape<PrivilegeOptions> = { capabilities: object, sysctls, devices, privileged: boolean }

/** Options whose outer shape was checked, as the addon takes them. */
export function privilegesInput(operation: string, options: PrivilegeOptions): BoxInput['privileges'] {
  const { sysctls, devices, privileged } = options
  const capabilities =
    options.capabilities && checkOptions(`${operation}: capabilities`, options.capabilities, CAPABILITIES)
  for (const [name, list] of Object.entries({ ...capabilities, devices })) {
    if (privileged && list && list.length > 0) {
      const option = name === 'devices' ? name : `capabilities.${name}`
      throw new InvalidArgumentError(
        `${operation}: option \`${option}\`: a box with \`privileged: true\` has every capability and device`,
        { hint: 'leave one of the two out' },
      )
    }
  }
  return {
    privileged,
    cap_add: capabilities?.add,
    cap_drop: capabilities?.drop,
    sysctls: Object.fromEntries(Object.entries(sysctls ?? {}).map(([name, value]) => [name, String(value)])),
    devices,
  }
}
