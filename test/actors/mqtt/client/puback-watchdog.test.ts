/** On the test clock: a broker is silent when it acknowledges nothing, not when one message is old. */
import { Deferred, Effect } from "effect"
import { describe, expect, it } from "vitest"
import { PubackWatchdog } from "../../../../src/actors/mqtt/client/puback-watchdog.ts"
import { passTime, withTestClock } from "../../../support/test-clock.ts"

const limitMs = 120_000

/** Publishes that never end, the last of them acknowledging in between; answers whether the broker was found silent. */
const watched = (largestBytes: number, everyS: number | undefined, forS: number) =>
  withTestClock(
    Effect.gen(function* () {
      const watchdog = new PubackWatchdog()
      let acknowledge = () => {}
      const found = yield* Deferred.make<void>()
      const publish = watchdog.during(largestBytes, (onAcknowledged) => {
        acknowledge = onAcknowledged
        return Effect.never
      })
      yield* Effect.forkScoped(publish)
      yield* Effect.forkScoped(Effect.andThen(watchdog.expired(limitMs), Deferred.succeed(found, undefined)))
      for (let s = 0; s < forS; s += 10) {
        yield* passTime("10 seconds")
        if (everyS !== undefined && s % everyS === 0) acknowledge()
      }
      return yield* Deferred.isDone(found)
    })
  )

describe("publishes that wait for their PUBACK", () => {
  it("show a silent broker when not one acknowledgement came for the limit", async () => {
    expect(await watched(100, undefined, 160)).toBe(true)
    expect(await watched(100, undefined, 110)).toBe(false)
  })

  it("show a slow path, and no silent broker, while one comes now and then", async () => {
    expect(await watched(100, 100, 3_600)).toBe(false)
  })

  it("have more time when one of them is large: 1 MB takes minutes at 16 kbit/s", async () => {
    expect(await watched(1_000_000, undefined, 600)).toBe(false)
    expect(await watched(1_000_000, undefined, 700)).toBe(true)
  })
})
