// The tests that vitest runs. Each kind is a project, so `vitest run --project NAME` runs only that one. They run in forks, not in
// threads, so that a native addon is loaded once per process, as in a user's program.
import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: 'unit',
          include: ['__test__/unit/**/*.test.ts'],
          pool: 'forks',
          testTimeout: 10_000,
        },
      },
      {
        // Checks of the source tree: graph of crates, licences, comments, versions.
        test: { name: 'house', include: ['__test__/house/**/*.test.ts'], pool: 'forks', testTimeout: 60_000 },
      },
      {
        // Real boxes, one test file at a time unless `npm test` says otherwise, since an emulated box uses a whole CPU. Needs `npm run build`.
        test: {
          name: 'e2e',
          include: ['__test__/e2e/**/*.test.ts'],
          pool: 'forks',
          maxWorkers: Number(process.env.BOXLITE_TEST_WORKERS ?? 1),
          testTimeout: 120_000,
          hookTimeout: 180_000,
        },
      },
    ],
  },
})
