// Methods without their object: they work where objects are few, and say what is missing where there are many.
import { expect, test, vi } from 'vitest'
import { Box, Events, Execution } from '../../lib/index.js'
import { exit, fakeBox, out, run } from './fake.js'

const hello = () =>
  fakeBox(() => [[out('hello'), exit()]], { collected: { stdout: Buffer.from('hello'), exit: { code: 0 } } })

test('a method of a box works without it', async () => {
  const { exec, spawn, name } = hello().box
  expect((await exec('true')).stdout).toBe('hello')
  expect(await spawn('true').wait()).toMatchObject({ exitCode: 0 })
  expect(name).toBeNull()
})

test("a box works through a proxy, as reactive frameworks' objects do", async () => {
  const { box } = hello()
  const proxy = new Proxy(box, {})
  expect((await proxy.exec('true')).stdout).toBe('hello')
  expect(proxy.name).toBeNull()
})

test('a method that a test replaced on the class is what is called', async () => {
  const { box } = hello()
  const replaced = vi.spyOn(Box.prototype, 'exec').mockResolvedValue('mine' as never)
  expect(await box.exec('true')).toBe('mine')
  replaced.mockRestore()
})

test('a method that a test replaced on a box is what is called', async () => {
  const { box } = hello()
  box.exec = async () => 'mine' as never
  expect(await box.exec('true')).toBe('mine')
  expect((await hello().box.exec('true')).stdout).toBe('hello')
})

test('a box works through a proxy that wraps every object it returns', async () => {
  const wrap = (object: object): object =>
    new Proxy(object, {
      get(target, name, receiver) {
        const value = Reflect.get(target, name, receiver)
        return typeof value === 'object' && value !== null ? wrap(value) : value
      },
    })
  const proxy = wrap(hello().box) as Box
  expect((await proxy.exec('true')).stdout).toBe('hello')
  expect(proxy.name).toBeNull()
})

test('bound methods are not enumerable', () => {
  expect(Object.keys(hello().box).sort()).toEqual(['detached', 'id', 'image', 'sh'])
})

test('a method of an execution says that it lacks its execution', async () => {
  const { wait, kill } = run([[exit()]]).child
  const error = { name: 'InvalidArgumentError', code: 'INVALID_ARGUMENT' }
  await expect(wait()).rejects.toMatchObject({
    ...error,
    message: 'execution.wait(): it was asked for without its object',
  })
  await expect(kill()).rejects.toMatchObject(error)
  expect(() => Reflect.get(Execution.prototype, 'stdout')).toThrow(expect.objectContaining(error))
  expect(() => Events.prototype.close()).toThrow(expect.objectContaining(error))
})

test('a method keeps its name', () => {
  expect(Execution.prototype.wait.name).toBe('wait')
})
