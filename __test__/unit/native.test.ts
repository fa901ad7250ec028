// The loader: where it searches, and its error when there is nothing to load.
import { describe, expect, test } from 'vitest'
import { glibcCheck } from '../../lib/doctor.js'
import { loadNative, type Surroundings } from '../../lib/native.js'

const PACKAGE = '/app/node_modules/@boxlite/node-linux-x64-gnu'
const BUILT = '/app/node_modules/@boxlite/node/build/linux-x64-gnu'

/** A machine on which only `files` exist. */
function machine(files: string[], change: Partial<Surroundings> = {}): Surroundings {
  return {
    platform: 'linux',
    arch: 'x64',
    env: {},
    version: '1.0.0',
    root: '/app/node_modules/@boxlite/node',
    folders: ['/app/node_modules/@boxlite/node'],
    glibc: () => '2.36',
    exists: path => files.some(file => file === path || file.startsWith(`${path}/`)),
    resolve: request => {
      const path = `/app/node_modules/${request}`
      if (!files.includes(path)) throw new Error(`Cannot find module '${request}'`)
      return path
    },
    load: path => ({ version: () => '1.0.0', path }),
    ...change,
  }
}

const failure = (around: Surroundings) => {
  try {
    loadNative(around)
  } catch (error) {
    return error as { code: string; message: string; hint: string; cause: unknown }
  }
  throw new Error('it loaded')
}

describe('finds the addon', () => {
  test('in the platform package, before a source tree', () => {
    const found = loadNative(machine([`${PACKAGE}/package.json`, `${PACKAGE}/boxlite.node`, `${BUILT}/boxlite.node`]))
    expect(found).toMatchObject({ binding: { path: `${PACKAGE}/boxlite.node` }, parts: PACKAGE })
  })

  test('in a source tree', () => {
    expect(loadNative(machine([`${BUILT}/boxlite.node`])).parts).toBe(BUILT)
  })

  test('where BOXLITE_ADDON says, with the parts of the package', () => {
    const env = { BOXLITE_ADDON: '/elsewhere/a.node' }
    const packaged = machine(['/elsewhere/a.node', `${PACKAGE}/package.json`], { env })
    expect(loadNative(packaged)).toMatchObject({ binding: { path: '/elsewhere/a.node' }, parts: PACKAGE })
    expect(loadNative(machine(['/elsewhere/a.node'], { env })).parts).toBe('/elsewhere')
  })

  test('from the place of the bundle that this code was made part of, and from the main file', () => {
    const resolve = (request: string, folder: string) => {
      if (folder !== '/srv' || request !== '@boxlite/node-linux-x64-gnu/package.json') throw new Error('not there')
      return '/srv/node_modules/@boxlite/node-linux-x64-gnu/package.json'
    }
    const parts = '/srv/node_modules/@boxlite/node-linux-x64-gnu'
    const around = machine([`${parts}/boxlite.node`], { root: undefined, folders: ['/srv/.cache', '/srv'], resolve })
    expect(loadNative(around).parts).toBe(parts)
  })

  test('where only the main package may see it, as with pnpm', () => {
    const store = '/srv/node_modules/.pnpm/a/node_modules/@boxlite'
    const resolve = (request: string, folder: string) => {
      if (folder === '/srv' && request === '@boxlite/node/package.json') return `${store}/node/package.json`
      if (folder === `${store}/node` && request.startsWith('@boxlite/node-'))
        return `${store}/node-linux-x64-gnu/package.json`
      throw new Error('not there')
    }
    const around = machine([`${store}/node-linux-x64-gnu/boxlite.node`], {
      root: undefined,
      folders: ['/srv'],
      resolve,
    })
    expect(loadNative(around).parts).toBe(`${store}/node-linux-x64-gnu`)
  })

  test('beside Electron’s archive, since nothing in it can be executed', () => {
    const folder = '/app/resources/app.asar/node_modules/@boxlite/node-linux-x64-gnu'
    const unpacked = folder.replace('app.asar', 'app.asar.unpacked')
    const around = machine([`${unpacked}/boxlite.node`], { resolve: () => `${folder}/package.json` })
    expect(loadNative(around).parts).toBe(unpacked)
  })
})

describe('says what to do', () => {
  test('where the platform has no package', () => {
    const error = failure(machine([], { platform: 'win32', arch: 'arm64' }))
    expect(error.code).toBe('PART_MISSING')
    expect(error.message).toContain('win32-arm64')
    expect(error.hint).toContain('Linux x86-64')
  })

  test('where the package is not installed', () => {
    const error = failure(machine([]))
    expect(error).toMatchObject({ code: 'PART_MISSING', name: 'RuntimeError' })
    expect(error.hint).toContain('npm install @boxlite/node-linux-x64-gnu')
  })

  test('where a bundler moved the code', () => {
    const { code, hint } = failure(machine([], { root: undefined, folders: ['/srv/dist'] }))
    expect(code).toBe('PART_MISSING')
    for (const line of ["external: ['@boxlite/node']", "serverExternalPackages: ['@boxlite/node']"]) {
      expect(hint).toContain(line)
    }
  })

  test('where the C library is musl', () => {
    expect(failure(machine([], { glibc: () => undefined })).hint).toContain('musl')
  })

  test('where the override names nothing', () => {
    const error = failure(machine([], { env: { BOXLITE_ADDON: '/nope' } }))
    expect(error.message).toContain('/nope')
    expect(error.hint).toContain('BOXLITE_ADDON')
  })

  test('where Electron left the package in its archive', () => {
    const manifest = '/app/resources/app.asar/node_modules/@boxlite/node-linux-x64-gnu/package.json'
    expect(failure(machine([], { resolve: () => manifest })).hint).toContain('asarUnpack')
  })

  test('where glibc is too old', () => {
    const cause = new Error("libc.so.6: version `GLIBC_2.34' not found")
    const load = () => {
      throw cause
    }
    const error = failure(machine([`${BUILT}/boxlite.node`], { load, glibc: () => '2.28' }))
    expect(error.hint).toBe('it needs GLIBC_2.34 and this system has 2.28: use a newer distribution')
    expect(error.cause).toBe(cause)
  })

  test('where the versions differ', () => {
    const error = failure(machine([`${BUILT}/boxlite.node`], { version: '2.0.0' }))
    expect(error).toMatchObject({ code: 'PART_MISSING' })
    expect(error.message).toContain('is of version 1.0.0, but this package is 2.0.0')
  })
})

test('the doctor judges the C library by its version', () => {
  for (const version of ['2.34', '2.36', '3.0']) expect(glibcCheck(version)).toMatchObject({ ok: true, remedy: null })
  for (const version of ['2.31', '2.9', undefined]) {
    const check = glibcCheck(version)
    expect([check.code, check.ok]).toEqual(['glibc', false])
    expect(check.remedy).toContain('Debian')
  }
})
