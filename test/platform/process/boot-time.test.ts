/** Moments that are kept in files. */
import { Effect } from "effect"
import { describe, expect, it } from "vitest"
import { bootMomentNow } from "../../../src/platform/process/boot-time.ts"
import { withRuntimeClock } from "../../../src/runtime/primitives/runtime-clock.ts"

describe("the present moment", () => {
  it("has the id of this boot, and goes forward", async () => {
    const [one, two] = await Effect.runPromise(withRuntimeClock(Effect.all([bootMomentNow, bootMomentNow])))
    expect(one?.bootId).toMatch(/^[0-9a-f-]{36}$/)
    expect(two?.bootId).toBe(one?.bootId)
    expect(two?.bootMs).toBeGreaterThanOrEqual(one?.bootMs ?? Number.POSITIVE_INFINITY)
  })
})
