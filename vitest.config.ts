import { defineConfig } from "vitest/config"
import { BaseSequencer, type TestSpecification } from "vitest/node"
import { ownProcessTests, unitTests } from "./test/projects.ts"

const unit = unitTests()
const ownProcess = ownProcessTests()

/** Those that run many programs first: none of them is left at the end while the other workers have nothing to do. */
class LongestFirst extends BaseSequencer {
  override async sort(files: Array<TestSpecification>): Promise<Array<TestSpecification>> {
    const isLong = ({ moduleId }: TestSpecification) =>
      /\/test\/(e2e|guide|docs|tokens|packaging)\/|\/crashes\./.test(moduleId)
    return (await super.sort(files)).toSorted((a, b) => Number(isLong(b)) - Number(isLong(a)))
  }
}

export default defineConfig({
  define: { __VERSION__: JSON.stringify("0.0.0-test") },
  test: {
    // Far more than a test takes: it has to do also beside ten other programs on two cores.
    testTimeout: 180_000,
    hookTimeout: 300_000,
    expect: { poll: { timeout: 30_000 } },
    pool: "forks",
    sequence: { sequencer: LongestFirst },
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
          exclude: [...unit, ...ownProcess],
          isolate: false,
          maxWorkers: 4,
          sequence: { groupOrder: 2 }
        }
      },
      {
        extends: true,
        test: { name: "own-process", include: [...ownProcess], maxWorkers: 4, sequence: { groupOrder: 2 } }
      }
    ]
  }
})
