// Rung 3: starts the tests of the network on libkrun (network-job.mjs) in namespaces of their own, which they make their internet in.
// Run by scripts/test-krun.mjs, through `node --test`, whose reports pass through standard output.
import { spawnSync } from 'node:child_process'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { UNSHARE } from '../support/namespaces.mjs'

if (process.getuid?.() === 0) {
  const job = fileURLToPath(new URL('network-job.mjs', import.meta.url))
  const { status } = spawnSync('unshare', [...UNSHARE, process.execPath, ...process.execArgv, job], {
    stdio: 'inherit',
  })
  process.exitCode = status ?? 1
} else test('the network on libkrun', { skip: 'needs root, who alone makes namespaces without further ado' }, () => {})
