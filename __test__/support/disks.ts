// Every disk that a test file made, judged by the programs that know best: e2fsck for the file systems, qemu-img for the
// overlays. Called by homes.ts after the last test, when every box is down.
import { existsSync, readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { capture } from '../../scripts/command.mjs'
import { findProgram } from '../../scripts/setup/debian.mjs'

/** What is wrong with the root disks, and with the disks of boxes, of all homes below `base`; nothing, if all are whole. */
export async function diskFaults(base: string): Promise<string[]> {
  const faults: string[] = []
  for (const home of homesBelow(base)) {
    for (const disk of inFolder(join(home, 'images/disks'), name => name.endsWith('.ext4'))) {
      faults.push(...(await e2fsck(disk, '-fn')))
    }
    for (const folder of inFolder(join(home, 'boxes'))) {
      const overlay = join(folder, 'disk.qcow2')
      if (existsSync(overlay)) faults.push(...(await overlayFaults(overlay, join(base, 'merged'))))
    }
  }
  return faults
}

/** The overlay itself, and the file system that it and its base make, its journal replayed as a start would. */
async function overlayFaults(overlay: string, merged: string): Promise<string[]> {
  const faults = await faultsOf('qemu-img', ['check', overlay])
  faults.push(...(await faultsOf('qemu-img', ['convert', '-O', 'raw', overlay, merged])))
  if (faults.length > 0) return faults
  try {
    const { output } = await e2fsckResult(merged, '-fy', '-E', 'journal_only')
    const found = await e2fsck(merged, '-fn')
    return found.map(fault => `${overlay}: ${fault}\nits journal: ${output}`)
  } finally {
    rmSync(merged, { force: true })
  }
}

const e2fsckResult = (disk: string, ...args: string[]) => capture(findProgram('e2fsck') ?? 'e2fsck', [...args, disk])
const e2fsck = (disk: string, ...args: string[]) => faultsOf(findProgram('e2fsck') ?? 'e2fsck', [...args, disk])

async function faultsOf(program: string, args: string[]): Promise<string[]> {
  const { status, output } = await capture(program, args)
  return status === 0 ? [] : [`${program} ${args.join(' ')}: ${output}`]
}

/** The folders directly below `base`, or below those, that are homes. */
function homesBelow(base: string): string[] {
  const folders = [base, ...inFolder(base), ...inFolder(base).flatMap(folder => inFolder(folder))]
  return folders.filter(folder => existsSync(join(folder, 'boxes')) && existsSync(join(folder, 'images')))
}

function inFolder(folder: string, wanted: (name: string) => boolean = () => true): string[] {
  try {
    return readdirSync(folder)
      .filter(wanted)
      .map(name => join(folder, name))
  } catch {
    return [] // a file, or gone
  }
}
