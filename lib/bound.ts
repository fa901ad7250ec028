// Methods and the object that they belong to. Called by the public classes, calls nothing but the errors.
//
// `const { exec } = box`, and a reactive framework's proxy around a box, call a method with another `this`, which has none of the
// private fields: without this file that ends in a TypeError about a private member.
import { InvalidArgumentError } from './errors.js'

/**
 * Gives `instance` each method and getter of its class as a property of its own that works whatever `this` is. It reads the
 * prototype at each call, so that a test may replace a method there. For objects that are made seldom: it takes microseconds.
 */
export function bindMembers(instance: object): void {
  const prototype = Object.getPrototypeOf(instance)
  for (const { name, isGetter } of membersOf(prototype)) {
    const member: PropertyDescriptor = isGetter
      ? { get: () => Reflect.get(prototype, name, instance) }
      : { writable: true, value: (...given: unknown[]) => Reflect.get(prototype, name).apply(instance, given) }
    Object.defineProperty(instance, name, { ...member, configurable: true, enumerable: false })
  }
}

/**
 * Has each method of a class that is called without its object end in an `INVALID_ARGUMENT` that says so: rejects with it where
 * the method is asynchronous. For classes with many instances; `owns` returns whether `this` is one.
 */
export function guardMembers(Class: { prototype: object }, noun: string, owns: (value: unknown) => boolean): void {
  const { prototype } = Class
  for (const { name, isGetter, isAsync } of membersOf(prototype)) {
    const descriptor = Object.getOwnPropertyDescriptor(prototype, name) as PropertyDescriptor
    const guarded = (method: (...given: unknown[]) => unknown) =>
      function (this: unknown, ...given: unknown[]) {
        if (owns(this)) return method.apply(this, given)
        const error = strayed(noun, String(name), isGetter)
        if (isAsync) return Promise.reject(error)
        throw error
      }
    if (isGetter) descriptor.get = guarded(descriptor.get as () => unknown)
    else descriptor.value = Object.defineProperty(guarded(descriptor.value), 'name', { value: descriptor.value.name })
    Object.defineProperty(prototype, name, descriptor)
  }
}

function strayed(noun: string, member: string, isGetter: boolean): InvalidArgumentError {
  const whole = `${noun}.${member}${isGetter ? '' : '()'}`
  return new InvalidArgumentError(`${whole}: it was asked for without its object`, {
    hint: `keep the object: \`${whole}\`; of a proxy around it, unwrap the object first`,
  })
}

interface Member {
  name: string | symbol
  isGetter: boolean
  isAsync: boolean
}

/** The members of each class, cached. */
const MEMBERS = new WeakMap<object, Member[]>()

function membersOf(prototype: object): Member[] {
  const known = MEMBERS.get(prototype)
  if (known !== undefined) return known
  const members = Reflect.ownKeys(prototype).flatMap((name): Member[] => {
    const { get, value } = Object.getOwnPropertyDescriptor(prototype, name) ?? {}
    if (get === undefined && (typeof value !== 'function' || name === 'constructor')) return []
    return [{ name, isGetter: get !== undefined, isAsync: value?.constructor.name === 'AsyncFunction' }]
  })
  MEMBERS.set(prototype, members)
  return members
}
