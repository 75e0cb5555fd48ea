/**
 * Asks at random moments, with crashes, refusals, interruptions, deadlines and a stop at random moments.
 *
 * Whatever the order: each ask ends exactly once, and what its asker hears agrees with what the actor did.
 */
import { Effect, Fiber } from "effect"
import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { type Address, address } from "../../src/runtime/actor.ts"
import { cellOf } from "../../src/runtime/ref.ts"
import type { SupervisorHandle } from "../../src/runtime/supervision.ts"
import { passTime, settled, withTestClock } from "../../src/testing/test-clock.ts"
import { agree, type Books, type Kind, type Step, step, supervised, type Work, worker } from "./chaos.ts"

const play = (place: Address<Work>, handle: SupervisorHandle, books: Books, steps: ReadonlyArray<Step>) =>
  Effect.gen(function* () {
    const askers: Array<Fiber.Fiber<unknown, unknown>> = []
    const ask = (payload: { id: number; kind: Kind; ms: number }, within: number) =>
      place.ref.ask("Do", payload, { within }).pipe(
        Effect.onExit((exit) => Effect.sync(() => void books.outcomes.get(payload.id)?.push(exit))),
        Effect.exit
      )
    for (const each of steps) {
      if (each.do === "ask") {
        const id = askers.length
        books.outcomes.set(id, [])
        askers.push(yield* Effect.forkChild(ask({ id, kind: each.kind, ms: each.ms }, each.within)))
      } else if (each.do === "interrupt") {
        const asker = askers[each.which]
        if (asker !== undefined) yield* Effect.andThen(settled, Fiber.interrupt(asker))
      } else if (each.do === "pass") yield* passTime(each.ms)
      else yield* Effect.forkChild(handle.stop(each.mode))
    }
    // No deadline is longer than this: whoever still waits would wait for ever.
    yield* passTime(200)
    expect(askers.every((asker) => asker.pollUnsafe() !== undefined)).toBe(true)
  })

const run = (capacity: number, concurrent: number, policy: "block" | "refuse", steps: ReadonlyArray<Step>) =>
  withTestClock(
    Effect.gen(function* () {
      const books: Books = { begun: [], outcomes: new Map() }
      const place = yield* address<Work>({ name: "worker", mailbox: { capacity, overflow: { policy } } })
      const handle = yield* supervised(place, worker(books, concurrent))
      yield* play(place, handle, books, steps)
      return { books, cell: cellOf(place.ref) }
    })
  )

const scenario = [
  fc.integer({ min: 1, max: 4 }),
  fc.constantFrom("block" as const, "refuse" as const),
  fc.array(step, { maxLength: 25 })
] as const

describe("an actor in chaos", () => {
  it("ends each ask exactly once, with an answer that agrees with what was done", async () => {
    await fc.assert(
      fc.asyncProperty(...scenario, async (capacity, policy, steps) => {
        const { books } = await run(capacity, 1, policy, steps)
        for (const [id, outcomes] of books.outcomes) {
          expect(outcomes.length).toBe(1)
          for (const outcome of outcomes) expect([id, agree(books, id, outcome)]).toEqual([id, true])
        }
      }),
      { numRuns: 80 }
    )
  })

  it("does the same as a router that handles several at once", async () => {
    await fc.assert(
      fc.asyncProperty(...scenario, async (capacity, policy, steps) => {
        const { books } = await run(capacity, 3, policy, steps)
        for (const [id, outcomes] of books.outcomes) {
          expect(outcomes.length).toBe(1)
          for (const outcome of outcomes) expect([id, agree(books, id, outcome)]).toEqual([id, true])
        }
      }),
      { numRuns: 80 }
    )
  })

  it("handles in the order of sending, none twice, within its capacity", async () => {
    await fc.assert(
      fc.asyncProperty(...scenario, async (capacity, policy, steps) => {
        const { books, cell } = await run(capacity, 1, policy, steps)
        expect(books.begun).toEqual([...new Set(books.begun)].toSorted((a, b) => a - b))
        expect(cell?.mailbox.maxDepth).toBeLessThanOrEqual(capacity)
      }),
      { numRuns: 60 }
    )
  })
})
