import { defineConfig } from "vitest/config"

export default defineConfig({
  define: { __VERSION__: JSON.stringify("0.0.0-test") },
  test: {
    include: ["test/**/*.test.ts"],
    testTimeout: 60_000,
    hookTimeout: 120_000,
    pool: "forks",
    // Many tests wait for time limits, with nothing to do meanwhile.
    maxWorkers: 3
  }
})
