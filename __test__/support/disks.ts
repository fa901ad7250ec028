// Checks every disk that a test file created: file systems with e2fsck, overlays with qemu-img. Called by homes.ts after the last test,
// when every box has stopped.
import { existsSync, readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { capture } from '../../scripts/command.mjs'
import { findProgram } from '../../scripts/setup/debian.mjs'

/** Returns the faults of the root disks and of the disks of boxes, of all homes below `base`. */
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

/** Returns the faults of the overlay itself, and of the file system on it and its base after its journal is replayed, as at a start. */
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

/** Returns the homes among `base` and the folders up to two levels below it. */
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
    return [] // it is a file, or was removed
  }
}
