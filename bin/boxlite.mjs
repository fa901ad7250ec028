#!/usr/bin/env node
// `npx @boxlite/node doctor`: what this machine can do for boxes, for people and, with `--json`, for programs. Ends with 0 where a
// box can run, with 1 where none can, with 2 when the command line is wrong. Shipped as the package's command; calls `Runtime.doctor`.
import { parseArgs } from 'node:util'
import { Runtime } from '../index.mjs'

const USAGE = `usage: boxlite doctor [--home DIR] [--json]

Examines this machine: whether a box can run here, on which engine, and what to do about
each thing that is missing. Changes nothing.

  --home DIR  the home to look at, instead of $BOXLITE_HOME or ~/.boxlite
  --json      one JSON object: ok, engine, accelerated, checks
  --help      this text
`

/** @returns {{ words: string[], home: string | undefined, json: boolean, help: boolean }} */
function commandLine() {
  const options = /** @type {const} */ ({
    home: { type: 'string' },
    json: { type: 'boolean', default: false },
    help: { type: 'boolean', short: 'h', default: false },
  })
  const { values, positionals } = parseArgs({ options, allowPositionals: true })
  return { words: positionals, home: values.home, json: values.json === true, help: values.help === true }
}

/** @param {import('../index.mjs').DoctorReport} report */
function* lines({ ok, engine, accelerated, checks }) {
  const width = Math.max(...checks.map(({ code }) => code.length))
  for (const check of checks) {
    yield `${check.ok ? 'ok' : '!!'}  ${check.code.padEnd(width)}  ${check.message}`
    if (check.remedy !== null) yield `    ${' '.repeat(width)}  → ${check.remedy}`
  }
  yield ''
  const how = accelerated ? 'on hardware virtualisation' : 'by software emulation, which is slow'
  yield ok && engine !== null ? `Boxes can run here: engine ${engine}, ${how}.` : 'Boxes can not run here.'
}

async function main() {
  let given
  try {
    given = commandLine()
  } catch (error) {
    process.stderr.write(`boxlite: ${error instanceof Error ? error.message : error}\n${USAGE}`)
    return 2
  }
  const { words, home, json, help } = given
  if (help) {
    process.stdout.write(USAGE)
    return 0
  }
  if (words.length !== 1 || words[0] !== 'doctor') {
    process.stderr.write(USAGE)
    return 2
  }
  const report = await Runtime.doctor(home === undefined ? {} : { home })
  process.stdout.write(json ? `${JSON.stringify(report)}\n` : `${[...lines(report)].join('\n')}\n`)
  return report.ok ? 0 : 1
}

process.exitCode = await main()
