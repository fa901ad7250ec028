// Many commands and much data: what must not slow down, mix up or lose a byte.
import { createHash } from 'node:crypto'
import { expect, it } from 'vitest'
import type { Box } from '../../index.mjs'
import { useHomes } from '../support/homes.js'
import { useRuntime } from '../support/runtime.js'

const homes = useHomes()
let box: Box

useRuntime(homes, async ({ runtime, image }) => {
  box = await runtime.create({ image })
  await box.start()
})

it('runs 200 commands one after the other', async () => {
  for (let i = 0; i < 200; i++) {
    const result = await box.exec('echo', [`${i}`])
    expect(result).toMatchObject({ exitCode: 0, stdout: `${i}\n`, stderr: '' })
  }
})

it('runs 20 commands at once, each with its own output and exit code', async () => {
  const results = await Promise.all(
    Array.from({ length: 20 }, (_, i) => box.exec('sh', ['-c', `sleep 1; echo ${i}; echo err ${i} >&2; exit ${i}`])),
  )
  for (const [i, result] of results.entries()) {
    expect(result).toMatchObject({ exitCode: i, stdout: `${i}\n`, stderr: `err ${i}\n` })
  }
})

it('carries 50 MB out, byte for byte', async () => {
  const child = box.spawn('sh', [
    '-c',
    'head -c 52428800 /dev/urandom > /data; sha256sum /data > /tmp/sum; cat /data; rm /data',
  ])
  const hash = createHash('sha256')
  let length = 0
  for await (const chunk of child.stdout) {
    hash.update(chunk)
    length += chunk.length
  }
  expect((await child.wait()).exitCode).toBe(0)
  expect(length).toBe(52_428_800)
  const { stdout } = await box.exec('cat', ['/tmp/sum'])
  expect(stdout.split(' ')[0]).toBe(hash.digest('hex'))
})

it('carries 8 MB in, byte for byte', async () => {
  const data = Buffer.alloc(8 << 20).map((_, i) => i * 7 + (i >> 8))
  const child = box.spawn('sha256sum')
  child.stdin.end(data)
  let output = ''
  for await (const chunk of child.stdout) output += chunk
  expect(output.split(' ')[0]).toBe(createHash('sha256').update(data).digest('hex'))
  await child.wait()
})

it('makes a writer in the box wait for a slow reader', async () => {
  const child = box.spawn('sh', ['-c', 'head -c 33554432 /dev/zero; echo done > /tmp/written'])
  await new Promise(resolve => setTimeout(resolve, 1500))
  expect((await box.exec('cat', ['/tmp/written'])).exitCode).not.toBe(0)
  let length = 0
  for await (const chunk of child.stdout) length += chunk.length
  expect(length).toBe(33_554_432)
  expect((await child.wait()).exitCode).toBe(0)
})
