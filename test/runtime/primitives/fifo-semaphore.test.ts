/** So many at a time, and the others in the order of asking. */
import { Effect, Fiber } from "effect"
import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { FifoSemaphore } from "../../../src/runtime/primitives/fifo-semaphore.ts"

const step = fc.oneof(
  { weight: 4, arbitrary: fc.constantFrom("acquire" as const, "release" as const, "giveUp" as const) },
  { weight: 1, arbitrary: fc.integer({ min: 0, max: 4 }) }
)

describe("the permits of a FifoSemaphore", () => {
  it("are never exceeded, and are granted in the order of asking, but for those who gave up", () =>
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 4 }), fc.array(step, { maxLength: 80 }), (maximum, steps) => {
        const permits = new FifoSemaphore(maximum)
        const acquired: Array<number> = []
        const expected: Array<number> = []
        const waiters: Array<{ readonly n: number; readonly giveUp: () => void }> = []
        let total = maximum
        let taken = 0
        const grant = () => {
          while (taken < total) {
            const next = waiters.shift()
            if (next === undefined) return
            taken += 1
            expected.push(next.n)
          }
        }
        for (const [n, what] of steps.entries()) {
          if (what === "acquire") {
            // A new waiter is the last.
            waiters.push({ n, giveUp: permits.acquire(() => acquired.push(n)) })
            grant()
          } else if (what === "release" && taken > 0) {
            taken -= 1
            grant()
            permits.release()
          } else if (what === "giveUp") waiters.shift()?.giveUp()
          else if (typeof what === "number") {
            total = what
            grant()
            permits.resize(what)
          }
          expect(acquired).toEqual(expected)
        }
      })
    ))

  it("are granted to any number of waiters, also when each releases synchronously", () => {
    const permits = new FifoSemaphore(1)
    let done = 0
    permits.acquire(() => {})
    for (let n = 0; n < 20_000; n++)
      permits.acquire(() => {
        done += 1
        permits.release()
      })
    permits.release()
    expect(done).toBe(20_000)
  })

  it("come back from work that fails, is interrupted, or is interrupted while it waits", async () => {
    const permits = new FifoSemaphore(1)
    const run = Effect.runFork
    const failed = run(Effect.exit(permits.withPermit(Effect.fail("no"))))
    const working = run(permits.withPermit(Effect.never))
    const inLine = run(permits.withPermit(Effect.never))
    const last = run(permits.withPermit(Effect.succeed("in")))
    await Effect.runPromise(Fiber.await(failed))
    await Effect.runPromise(Fiber.interrupt(inLine))
    await Effect.runPromise(Fiber.interrupt(working))
    expect(await Effect.runPromise(Fiber.join(last))).toBe("in")
    expect(await Effect.runPromise(permits.withPermit(Effect.succeed("again")))).toBe("again")
  })

  it("one that is admitted and interrupted before it begins gives its permit on", async () => {
    const permits = new FifoSemaphore(1)
    const working = Effect.runFork(permits.withPermit(Effect.never))
    const next = Effect.runFork(permits.withPermit(Effect.never))
    const last = Effect.runFork(permits.withPermit(Effect.succeed("in")))
    // Both in one step: `next` has its permit, and has not been told.
    working.interruptUnsafe()
    next.interruptUnsafe()
    expect(await Effect.runPromise(Fiber.join(last))).toBe("in")
  })

  it("hold any number of waiters, also when everybody in it is done at once", async () => {
    const permits = new FifoSemaphore(1)
    let done = 0
    const first = Effect.runFork(permits.withPermit(Effect.never))
    const count = Effect.sync(() => {
      done += 1
    })
    const waiters = Array.from({ length: 20_000 }, () => Effect.runFork(permits.withPermit(count)))
    first.interruptUnsafe()
    await Effect.runPromise(Fiber.awaitAll(waiters))
    expect(done).toBe(20_000)
  })
})
