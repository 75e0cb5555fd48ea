/** So many at a time, and the others in the order of asking. */
import { Effect, Fiber } from "effect"
import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { Permits } from "../../../src/runtime/primitives/permits.ts"

const step = fc.oneof(
  { weight: 4, arbitrary: fc.constantFrom("enter" as const, "leave" as const, "giveUp" as const) },
  { weight: 1, arbitrary: fc.integer({ min: 0, max: 4 }) }
)

describe("permits", () => {
  it("are never exceeded, and everybody is let in, in the order of asking, but for those who gave up", () =>
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 4 }), fc.array(step, { maxLength: 80 }), (maximum, steps) => {
        const permits = new Permits(maximum)
        const letIn: Array<number> = []
        const expected: Array<number> = []
        const line: Array<{ readonly n: number; readonly giveUp: () => void }> = []
        let total = maximum
        let inside = 0
        const moveUp = () => {
          while (inside < total) {
            const next = line.shift()
            if (next === undefined) return
            inside += 1
            expected.push(next.n)
          }
        }
        for (const [n, what] of steps.entries()) {
          if (what === "enter") {
            // Whoever comes is last in line.
            line.push({ n, giveUp: permits.enter(() => letIn.push(n)) })
            moveUp()
          } else if (what === "leave" && inside > 0) {
            inside -= 1
            moveUp()
            permits.leave()
          } else if (what === "giveUp") line.shift()?.giveUp()
          else if (typeof what === "number") {
            total = what
            moveUp()
            permits.resize(what)
          }
          expect(letIn).toEqual(expected)
        }
      })
    ))

  it("hold a line of any length, also when each in it leaves as soon as it is let in", () => {
    const permits = new Permits(1)
    let done = 0
    permits.enter(() => {})
    for (let n = 0; n < 20_000; n++)
      permits.enter(() => {
        done += 1
        permits.leave()
      })
    permits.leave()
    expect(done).toBe(20_000)
  })

  it("come back from work that fails, is interrupted, or is interrupted in line", async () => {
    const permits = new Permits(1)
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

  it("one that is let in and interrupted before it begins gives its permit on", async () => {
    const permits = new Permits(1)
    const working = Effect.runFork(permits.withPermit(Effect.never))
    const next = Effect.runFork(permits.withPermit(Effect.never))
    const last = Effect.runFork(permits.withPermit(Effect.succeed("in")))
    // Both in one step: `next` has its permit, and has not been told.
    working.interruptUnsafe()
    next.interruptUnsafe()
    expect(await Effect.runPromise(Fiber.join(last))).toBe("in")
  })

  it("hold a line of any length, also when everybody in it is done at once", async () => {
    const permits = new Permits(1)
    let done = 0
    const first = Effect.runFork(permits.withPermit(Effect.never))
    const count = Effect.sync(() => {
      done += 1
    })
    const line = Array.from({ length: 20_000 }, () => Effect.runFork(permits.withPermit(count)))
    first.interruptUnsafe()
    await Effect.runPromise(Fiber.awaitAll(line))
    expect(done).toBe(20_000)
  })
})
