/** The scheduler behind the tests of interleavings: a seed decides, and a seed is enough to see it again. */
import { Deferred, Effect, Exit } from "effect"
import { describe, expect, it } from "vitest"
import { interleaved } from "../../src/testing/seeded-scheduler.ts"

/** The order in which five fibers come to their two steps. */
const orderUnder = (seed: number): string => {
  const steps: Array<string> = []
  const walker = (name: string) =>
    Effect.gen(function* () {
      steps.push(name)
      yield* Effect.yieldNow
      yield* Effect.sleep(10)
      steps.push(name.toUpperCase())
    })
  interleaved(seed, Effect.forEach(["a", "b", "c", "d", "e"], walker, { concurrency: "unbounded" }), ({ exit }) =>
    expect(Exit.isSuccess(exit)).toBe(true)
  )
  return steps.join("")
}

describe("a seeded scheduler", () => {
  it("gives the same order for the same seed, and many orders for many seeds", () => {
    const seeds = Array.from({ length: 50 }, (_, seed) => seed)
    const orders = seeds.map(orderUnder)
    expect(seeds.map(orderUnder)).toEqual(orders)
    expect(new Set(orders).size).toBeGreaterThan(40)
  })

  it("lets time pass without waiting for it", () => {
    interleaved(1, Effect.andThen(Effect.sleep("100 days"), Effect.sleep(1)), ({ exit }) =>
      expect(Exit.isSuccess(exit)).toBe(true)
    )
  })

  it("tells the seed when it deadlocks, does not end, or the check fails", () => {
    const never = Effect.flatMap(Deferred.make<void>(), Deferred.await)
    expect(() => interleaved(7, never, () => undefined)).toThrow(/INTERLEAVING_SEED=7\ndeadlock/)
    const circle = Effect.forever(Effect.yieldNow)
    expect(() => interleaved(8, circle, () => undefined)).toThrow(/INTERLEAVING_SEED=8\nlivelock/)
    expect(() => interleaved(9, Effect.void, () => expect(1).toBe(2))).toThrow(/INTERLEAVING_SEED=9/)
  })

  it("sees who sleeps on when all is done", () => {
    interleaved(3, Effect.forkDetach(Effect.sleep("1 hour")), ({ stillAsleep }) => expect(stillAsleep).toBe(1))
    interleaved(3, Effect.forkScoped(Effect.sleep("1 hour")), ({ stillAsleep }) => expect(stillAsleep).toBe(0))
  })
})
