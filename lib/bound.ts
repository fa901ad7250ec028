// Methods and the object that they belong to. Called by the public classes, calls nothing but the errors.
//
// `const { exec } = box`, and a reactive framework's proxy around a box, call a method with another `this`, which has none of the
// private fields: without this file that ends in a TypeError about a private member.
import { InvalidArgumentError } from './errors.js'

/** Names the property in which an instance keeps a function that returns it. An object there would be wrapped by a reactive proxy. */
const INSTANCE = Symbol('instance')

interface Bound {
  [INSTANCE]?: () => object
}

/** The prototypes whose members are accessors already. */
const prepared = new WeakSet<object>()

/**
 * Has each method and getter of the class of `instance` work whatever `this` is: they become accessors of the prototype, which bind
 * a method when it is read. An instance costs one property, since a box is looked up for every command in some programs.
 */
export function bindMembers(instance: object): void {
  const prototype = Object.getPrototypeOf(instance)
  if (!prepared.has(prototype)) for (const member of membersOf(prototype)) bindWhenRead(prototype, member)
  prepared.add(prototype)
  Object.defineProperty(instance, INSTANCE, { value: () => instance })
}

function bindWhenRead(prototype: object, { name, descriptor: { get, value } }: Member): void {
  Object.defineProperty(prototype, name, {
    configurable: true,
    get(this: Bound | undefined) {
      const instance = this?.[INSTANCE]?.()
      if (get !== undefined) return get.call(instance ?? this)
      // Without an instance, as when a test replaces the method on the prototype, it is the method itself.
      return instance === undefined ? value : (...given: unknown[]) => value.apply(instance, given)
    },
    set(replacement: unknown) {
      Object.defineProperty(this, name, { configurable: true, writable: true, value: replacement })
    },
  })
}

/**
 * Has each method of a class that is called without its object end in an `INVALID_ARGUMENT` that says so: rejects with it where
 * the method is asynchronous. For classes with many instances; `owns` returns whether `this` is one.
 */
export function guardMembers(Class: { prototype: object }, noun: string, owns: (value: unknown) => boolean): void {
  const { prototype } = Class
  for (const { name, descriptor } of membersOf(prototype)) {
    const isGetter = descriptor.get !== undefined
    const isAsync = descriptor.value?.constructor.name === 'AsyncFunction'
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
  descriptor: PropertyDescriptor
}

function membersOf(prototype: object): Member[] {
  return Reflect.ownKeys(prototype).flatMap((name): Member[] => {
    const descriptor = Object.getOwnPropertyDescriptor(prototype, name) as PropertyDescriptor
    const isMember = descriptor.get !== undefined || (typeof descriptor.value === 'function' && name !== 'constructor')
    return isMember ? [{ name, descriptor }] : []
  })
}
