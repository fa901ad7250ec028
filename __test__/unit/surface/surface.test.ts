// Every parameter and option of the public surface, files excepted, given everything that `values.ts` has.
//
// A value is taken, or refused by an `INVALID_ARGUMENT` that names the operation, before anything reaches the native half. What
// is asynchronous rejects and never throws; what answers at once throws. `edge.ts` refuses wrong types as napi does, by an error
// that is none of ours.
import { describe, expect, test, vi } from 'vitest'
import { calls as asked, edge } from './edge.js'
import { type Call, calls, EMPTY, type Takes } from './table.js'
import { OWN, VALUES, type Value } from './values.js'

vi.mock('../../../lib/native.js', () => ({ native: () => ({ binding: edge, parts: '/parts' }), glibc: () => '2.36' }))
const { InvalidArgumentError, Runtime } = await import('../../../lib/index.js')

const runtime = await Runtime.open()
const box = await runtime.create({ image: 'alpine:3' })
const execution = box.spawn('true', { tty: true })
await execution.started

describe.each(calls(Runtime, runtime, box, execution))('$name', call => {
  const { args = [], options } = call
  const right = args.map(([value]) => value)

  test.each(args.map((_, at) => at))('argument %i', async at => {
    const takes = args[at]?.[1] ?? []
    await expectOutcomes(call, takes, value => right.map((other, place) => (place === at ? value : other)))
  })

  if (options === undefined) return

  test.each(Object.keys(options))('option %s', async name => {
    const takes: Takes =
      call.given && name in call.given ? (options[name] ?? []) : [...(options[name] ?? []), 'undefined']
    await expectOutcomes(call, takes, value => [...right, { ...call.given, [name]: value }])
    // The same without being a property of the object itself.
    await expectOutcomes(call, takes, value => [...right, Object.create({ ...call.given, [name]: value })])
  })

  test('the options themselves', async () => {
    const takes = call.whole ?? (call.given ? [] : [...EMPTY, 'undefined' as const])
    await expectOutcomes(call, takes, value => [...right, value])
  })

  test('an option that does not exist', async () => {
    await expectOutcomes(call, [], value => [...right, { ...call.given, extraordinary: value }])
  })

  test('an option whose getter throws', async () => {
    for (const name of Object.keys(options)) {
      const thrown = () => {
        throw new Error('thrown by the getter')
      }
      const hostile = Object.defineProperty({ ...call.given }, name, { enumerable: true, get: thrown })
      expect(await outcome(call, [...right, hostile]), name).toBe('refused')
    }
  })
})

/** Tries every value; those of `takes` are taken, the others refused. */
async function expectOutcomes(call: Call, takes: Takes, given: (value: unknown) => unknown[]): Promise<void> {
  const wrong: string[] = []
  for (const name of Object.keys(VALUES) as Value[]) {
    const became = await outcome(call, given(VALUES[name]()))
    if (became !== (takes.includes(name) ? 'taken' : 'refused')) wrong.push(`${name}: ${became}`)
  }
  expect(wrong).toEqual([])
}

/** What became of a call, or in words what is wrong with that. */
async function outcome(call: Call, given: unknown[]): Promise<string> {
  asked.length = 0
  let result: unknown
  try {
    result = call.call(...(given as never[]))
  } catch (error) {
    return call.throws ? refusal(call, error) : `thrown and not rejected: ${error}`
  }
  try {
    await settle(result)
  } catch (error) {
    if (error instanceof InvalidArgumentError && call.throws) return `rejected and not thrown: ${error}`
    // What a callback or a source of the caller's throws is the caller's.
    return `${error}`.includes(OWN) ? 'taken' : refusal(call, error)
  }
  return 'taken'
}

function refusal(call: Call, error: unknown): string {
  if (!(error instanceof InvalidArgumentError)) return `${error}`
  const operations = [call.name.split(':')[0] as string, 'execution.stdin']
  if (!operations.some(name => error.message.startsWith(name))) return `does not name the operation: ${error.message}`
  const done = asked.filter(name => name !== 'binding.open')
  return done.length === 0 ? 'refused' : `refused after ${done}`
}

/** Waits for what a call gave: a promise, an execution's end, an iterator's first step. */
async function settle(result: unknown): Promise<void> {
  const value = (await result) as Partial<typeof execution & Disposable & AsyncIterator<unknown>> | undefined
  if (value?.wait) await value.wait()
  else if (value?.next) await value.next()
  if (value?.return) await value.return(undefined)
  value?.[Symbol.dispose]?.()
}
