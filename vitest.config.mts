// The rungs of the test ladder that vitest runs; each is one project, so `vitest run --project NAME` runs one alone.
// Forks, not threads: a native addon is loaded once per process, as in a user's program.
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
        // What the repository promises about itself: graph, licences, prose, versions.
        test: { name: 'house', include: ['__test__/house/**/*.test.ts'], pool: 'forks', testTimeout: 60_000 },
      },
      {
        // Real boxes, one test file at a time: under emulation a box fills a CPU. Needs `npm run build`.
        test: {
          name: 'e2e',
          include: ['__test__/e2e/**/*.test.ts'],
          pool: 'forks',
          fileParallelism: false,
          testTimeout: 120_000,
          hookTimeout: 180_000,
        },
      },
    ],
  },
})
