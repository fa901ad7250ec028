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
    ],
  },
})
