// `camelCase` and `snakeCase`: the names of JavaScript for those of Rust, and the way back. Called by what makes public forms of the
// addon's answers, and its inputs.

type Camel<Name> = Name extends `${infer Head}_${infer Tail}` ? `${Head}${Capitalize<Camel<Tail>>}` : Name

type Snake<Name> = Name extends `${infer First}${infer Rest}`
  ? `${First extends Lowercase<First> ? First : `_${Lowercase<First>}`}${Snake<Rest>}`
  : Name

const camel = remembered(name => name.replace(/_./g, pair => pair.charAt(1).toUpperCase()))
const snake = remembered(name => name.replace(/[A-Z]/g, letter => `_${letter.toLowerCase()}`))

/** The same values by JavaScript's names. */
export function camelCase<T extends object>(native: T): { [Name in keyof T as Camel<Name>]: T[Name] } {
  return renamed(native, camel) as never
}

/** The same values by Rust's names. */
export function snakeCase<T extends object>(options: T): { [Name in keyof T as Snake<Name>]: T[Name] } {
  return renamed(options, snake) as never
}

function renamed(values: object, form: (name: string) => string): object {
  return Object.fromEntries(Object.entries(values).map(([name, value]) => [form(name), value]))
}

/** The same function, which looks for each form once: the names are those of a few types, but a list has them for every entry. */
function remembered(form: (name: string) => string): (name: string) => string {
  const known = new Map<string, string>()
  return name => {
    const found = known.get(name) ?? form(name)
    known.set(name, found)
    return found
  }
}
