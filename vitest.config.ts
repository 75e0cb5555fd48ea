import { defineConfig } from "vitest/config"
import { unitTests } from "./test/projects.ts"

const unit = unitTests()

export default defineConfig({
  define: { __VERSION__: JSON.stringify("0.0.0-test") },
  test: {
    testTimeout: 60_000,
    hookTimeout: 120_000,
    pool: "forks",
    projects: [
      {
        extends: true,
        // A module that is loaded once for all files is most of their time.
        test: { name: "unit", include: [...unit], isolate: false, maxWorkers: 2, sequence: { groupOrder: 1 } }
      },
      {
        extends: true,
        // Many of these wait for other processes and for time limits, with nothing to do meanwhile.
        test: {
          name: "system",
          include: ["test/**/*.test.ts"],
          exclude: [...unit],
          maxWorkers: 3,
          sequence: { groupOrder: 2 }
        }
      }
    ]
  }
})
