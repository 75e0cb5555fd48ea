import { Effect, Queue, Scheduler } from "effect"
import { describe, expect, it } from "vitest"
import { turnScheduler } from "../../src/runtime/turn-scheduler.ts"

const run = <A>(effect: Effect.Effect<A>): Promise<A> =>
  Effect.runPromise(Effect.provideService(effect, Scheduler.Scheduler, turnScheduler()))

/** How many turns of the event loop go by meanwhile. */
const turnsDuring = <A>(effect: Effect.Effect<A>) =>
  Effect.suspend(() => {
    let turns = 0
    let next: NodeJS.Immediate
    const count = () => {
      turns += 1
      next = setImmediate(count)
    }
    next = setImmediate(count)
    return Effect.map(effect, () => {
      clearImmediate(next)
      return turns
    })
  })

/** Two fibers that hand a number to each other. */
const handOver = (times: number) =>
  Effect.gen(function* () {
    const there = yield* Queue.unbounded<number>()
    const back = yield* Queue.unbounded<number>()
    yield* Effect.forkChild(Effect.forever(Effect.flatMap(Queue.take(there), (n) => Queue.offer(back, n))))
    for (let n = 0; n < times; n++) {
      yield* Queue.offer(there, n)
      expect(yield* Queue.take(back)).toBe(n)
    }
  })

describe("fibers that hand on within a turn", () => {
  it("need no turn of the event loop for a few hops", async () => {
    expect(await run(turnsDuring(handOver(5)))).toBe(0)
  })

  it("let the event loop have its turn again and again, however long they keep each other busy", async () => {
    expect(await run(turnsDuring(handOver(5_000)))).toBeGreaterThan(20)
  })
})
