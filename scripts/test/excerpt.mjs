// What of a runner's output tells why it failed: the parts in which cargo test, vitest and TAP describe their failures,
// wherever they stand, and otherwise the end. Called by runners.mjs.

/** More than one failure takes to describe, and less than a terminal's history. */
const LONGEST = 120

/** How much of the end is shown where no part describes a failure: of a compiler, say. */
const END = 60

/** Where a description begins, and the first line after it. @type {{ begins: RegExp, ends: RegExp }[]} */
const descriptions = [
  // cargo test: what failed tests printed, per program
  { begins: /^---- \S+ stdout ----$/, ends: /^test result: / },
  // vitest: "Failed Tests" and "Failed Suites", with their errors
  { begins: /⎯ Failed (?:Tests|Suites) /, ends: /^ *Test Files / },
  // TAP: a test that is not ok, with its diagnostics
  { begins: /^\s*not ok /, ends: /^\s*ok / },
]

/** @param {string} output */
export function excerpt(output) {
  const lines = output.trimEnd().split('\n')
  /** @type {string[]} */
  const told = []
  /** @type {RegExp | undefined} */
  let ends
  for (const line of lines) {
    if (ends?.test(line)) ends = undefined
    ends ??= descriptions.find(({ begins }) => begins.test(line))?.ends
    if (ends) told.push(line)
  }
  return (told.length > 0 ? told.slice(0, LONGEST) : lines.slice(-END)).join('\n')
}
