import { Effect, Queue, Scheduler } from "effect"
import { describe, expect, it } from "vitest"
import { turnScheduler } from "../../../src/runtime/primitives/turn-scheduler.ts"

/** On a test clock: what counts is hops. */
const run = <A>(effect: Effect.Effect<A>, now = () => 0): Promise<A> =>
  Effect.runPromise(Effect.provideService(effect, Scheduler.Scheduler, turnScheduler(now)))

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

  it("let the event loop have its turn after 5 ms, each of them at most once more, however many they are", async () => {
    let clock = 0
    const atTurns = [0]
    let next: NodeJS.Immediate
    const note = () => {
      atTurns.push(clock)
      next = setImmediate(note)
    }
    const step = Effect.andThen(
      Effect.sync(() => {
        clock += 0.01
      }),
      Effect.yieldNow
    )
    const busy = Effect.forEach(Array.from({ length: 500 }), () => Effect.repeat(step, { times: 100 }), {
      concurrency: "unbounded"
    })
    next = setImmediate(note)
    await run(Effect.asVoid(busy), () => clock)
    clearImmediate(next)
    expect(clock).toBeGreaterThan(400)
    // 500 fibers take 5 ms when each is run once; then come those 5 ms in which more is begun.
    const waits = [...atTurns.slice(1), clock].map((at, n) => at - (atTurns[n] ?? 0))
    expect(Math.max(...waits)).toBeLessThan(12)
  })

  it("need no turn for a few hops that come long after others", async () => {
    let clock = 0
    const later = Effect.sync(() => {
      clock += 60_000
    })
    const socket = Effect.callback<void>((resume) => void setImmediate(() => resume(Effect.void)))
    const effect = Effect.andThen(handOver(5), Effect.andThen(later, Effect.andThen(socket, turnsDuring(handOver(5)))))
    expect(await run(effect, () => clock)).toBe(0)
  })

  it("run in the order in which they were scheduled, and what a task schedules runs after what is there", async () => {
    const seen: Array<string> = []
    const scheduler = turnScheduler(() => 0)
    const [a, b] = [scheduler.makeDispatcher(), scheduler.makeDispatcher()]
    a.scheduleTask(() => {
      seen.push("a1")
      a.scheduleTask(() => seen.push("a3"), 0)
    }, 0)
    b.scheduleTask(() => seen.push("b1"), 0)
    a.scheduleTask(() => seen.push("a2"), 0)
    expect(seen).toEqual([])
    await later()
    expect(seen).toEqual(["a1", "a2", "b1", "a3"])
  })

  it("go on after a task that throws, which is reported", async () => {
    const seen: Array<number> = []
    const scheduler = turnScheduler(() => 0)
    const reported = new Promise((resolve) => process.once("unhandledRejection", resolve))
    const listeners = process.listeners("unhandledRejection").slice(0, -1)
    for (const listener of listeners) process.off("unhandledRejection", listener)
    for (const n of [1, 2, 3])
      scheduler.makeDispatcher().scheduleTask(() => {
        if (n === 2) throw new Error("a mistake")
        seen.push(n)
      }, 0)
    expect(await reported).toEqual(new Error("a mistake"))
    for (const listener of listeners) process.on("unhandledRejection", listener)
    expect(seen).toEqual([1, 3])
  })

  it("run at once when they are flushed, and once", async () => {
    const seen: Array<number> = []
    const dispatcher = turnScheduler(() => 0).makeDispatcher()
    dispatcher.scheduleTask(() => {
      seen.push(1)
      dispatcher.scheduleTask(() => seen.push(2), 0)
    }, 0)
    dispatcher.flush()
    expect(seen).toEqual([1, 2])
    await later()
    expect(seen).toEqual([1, 2])
  })
})

/** The next turn of the event loop. */
const later = () => new Promise((resolve) => setImmediate(resolve))
