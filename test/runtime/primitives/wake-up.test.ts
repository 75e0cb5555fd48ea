/** A wake-up is never lost, several are one, and what was added with it is seen. */
import { Effect, Exit, Fiber, References } from "effect"
import { describe, expect, it } from "vitest"
import { WakeUp } from "../../../src/runtime/primitives/wake-up.ts"
import { type Chance, chanceFrom, interleaved, seeds } from "../../../src/testing/seeded-scheduler.ts"

/** What was done of six pieces of work, each with a wake-up. */
const workAndLooks = (chance: Chance) =>
  Effect.gen(function* () {
    const wakeUp = new WakeUp()
    const work: Array<number> = []
    const done: Array<number> = []
    const looking = yield* Effect.forkChild(
      Effect.whileLoop({
        while: () => done.length < 6,
        body: () => Effect.map(wakeUp.wait, () => void done.push(...work.splice(0))),
        step: () => undefined
      })
    )
    for (let n = 0; n < 6; n++) {
      for (let pauses = chance() * 4; pauses > 1; pauses--) yield* Effect.yieldNow
      work.push(n)
      wakeUp.notify()
    }
    yield* Fiber.join(looking)
    return done
  })

const run = <A>(effect: Effect.Effect<A>): Promise<A> => Effect.runPromise(effect)

/** Long enough for every fiber that can go on. */
const settled = Effect.forEach(Array.from({ length: 10 }), () => Effect.yieldNow, { discard: true })

describe("a wake-up", () => {
  it("that comes before the wait is kept, and several are one", () =>
    run(
      Effect.gen(function* () {
        const wakeUp = new WakeUp()
        for (let n = 0; n < 3; n++) wakeUp.notify()
        yield* wakeUp.wait
        const second = yield* Effect.forkChild(wakeUp.wait)
        yield* settled
        expect(second.pollUnsafe()).toBeUndefined()
        wakeUp.notify()
        yield* Fiber.join(second)
      })
    ))

  it("lets the fiber go on only after the step that gave it", () =>
    run(
      Effect.gen(function* () {
        const wakeUp = new WakeUp()
        const seen: Array<number> = []
        const work: Array<number> = []
        const looking = yield* Effect.forkChild(Effect.map(wakeUp.wait, () => void seen.push(...work.splice(0))))
        yield* settled
        for (const n of [1, 2, 3]) {
          work.push(n)
          wakeUp.notify()
        }
        expect(seen).toEqual([])
        yield* Fiber.join(looking)
        expect(seen).toEqual([1, 2, 3])
        const next = yield* Effect.forkChild(wakeUp.wait)
        yield* settled
        expect(next.pollUnsafe()).toBeUndefined()
      })
    ))

  it("that an interrupted fiber did not take is there for the next", () =>
    run(
      Effect.gen(function* () {
        for (const isScheduled of [true, false]) {
          const wakeUp = new WakeUp()
          const interrupted = yield* Effect.forkChild(wakeUp.wait)
          yield* settled
          if (isScheduled) wakeUp.notify()
          interrupted.interruptUnsafe()
          if (!isScheduled) wakeUp.notify()
          yield* settled
          yield* Effect.timeout(wakeUp.wait, "1 second")
        }
      }).pipe(Effect.orDie)
    ))

  it("that comes while the fiber looks makes it look again", () =>
    run(
      Effect.gen(function* () {
        const wakeUp = new WakeUp()
        const work = ["one"]
        const seen: Array<string> = []
        const look = Effect.sync(() => {
          seen.push(...work.splice(0))
          if (seen.length > 1) return
          work.push("another")
          wakeUp.notify()
        })
        yield* Effect.forkChild(Effect.forever(Effect.andThen(wakeUp.wait, look)))
        yield* settled
        wakeUp.notify()
        yield* settled
        expect(seen).toEqual(["one", "another"])
      })
    ))

  it("that a fiber took before its interruption is not there for the next", () =>
    run(
      Effect.gen(function* () {
        const wakeUp = new WakeUp()
        const first = yield* Effect.forkChild(Effect.andThen(wakeUp.wait, Effect.never))
        yield* settled
        wakeUp.notify()
        yield* settled
        yield* Fiber.interrupt(first)
        const next = yield* Effect.forkChild(wakeUp.wait)
        yield* settled
        expect(next.pollUnsafe()).toBeUndefined()
      })
    ))

  it("is kept wherever the fiber is paused before it waits", () =>
    run(
      Effect.gen(function* () {
        for (let operations = 3; operations < 20; operations++) {
          const wakeUp = new WakeUp()
          const limit = Effect.provideService(References.MaxOpsBeforeYield, operations)
          const waiting = Effect.runFork(limit(Effect.andThen(Effect.void, wakeUp.wait)))
          wakeUp.notify()
          yield* settled
          yield* settled
          expect([operations, waiting.pollUnsafe()]).toEqual([operations, Exit.void])
        }
      })
    ))

  it("is never lost, whenever work comes, the fiber looks, and either is paused between two steps", () => {
    for (const seed of seeds(500))
      interleaved(seed, workAndLooks(chanceFrom(seed + 1)), ({ exit }) =>
        expect(exit).toEqual(Exit.succeed([0, 1, 2, 3, 4, 5]))
      )
  })
})
