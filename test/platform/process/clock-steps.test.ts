/** A wall clock that is set. It is set to the time that it is, which the kernel takes for a step all the same. */
import { spawnSync } from "node:child_process"
import { Effect } from "effect"
import { describe, expect, it } from "vitest"
import { watchClock } from "../../../src/platform/process/clock-steps.ts"

const setClock = () =>
  spawnSync("python3", ["-c", "import time; time.clock_settime_ns(time.CLOCK_REALTIME, time.time_ns())"], {
    encoding: "utf8"
  })

describe.runIf(process.getuid?.() === 0)("a clock that is watched", () => {
  it("reports each time it is set, and nothing once the scope has closed", async () => {
    let told = 0
    let waiting = () => {}
    const nextStep = (before: number) =>
      Effect.promise(
        () =>
          new Promise<void>((resolve) => {
            waiting = () => void (told > before && resolve())
            waiting()
          })
      )
    await Effect.runPromise(
      Effect.scoped(
        Effect.gen(function* () {
          yield* watchClock(() => {
            told += 1
            waiting()
          })
          expect(setClock().stderr).toBe("")
          yield* nextStep(0)
          const before = told
          setClock()
          yield* nextStep(before)
        })
      )
    )
    const before = told
    setClock()
    await new Promise((resolve) => setImmediate(resolve))
    expect(told).toBe(before)
  })
})
