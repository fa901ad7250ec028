// Cuts out of a runner's output why it failed: the sections in which cargo test, vitest and TAP describe their failures, or else the
// end of the output. Called by runners.mjs.

/** Most lines of an excerpt: more than the description of one failure takes. */
const LONGEST = 120

/** How many lines of the end are shown if no section describes a failure, as with a compiler's output. */
const END = 60

/** The line at which a description begins, and the first line after it. @type {{ begins: RegExp, ends: RegExp }[]} */
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
  const described = []
  /** @type {RegExp | undefined} */
  let ends
  for (const line of lines) {
    if (ends?.test(line)) ends = undefined
    ends ??= descriptions.find(({ begins }) => begins.test(line))?.ends
    if (ends) described.push(line)
  }
  return (described.length > 0 ? described.slice(0, LONGEST) : lines.slice(-END)).join('\n')
}
