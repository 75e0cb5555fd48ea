/**
 * Asks at random moments, with crashes, refusals, interruptions, deadlines and a stop at random moments.
 *
 * Whatever the order: each ask ends exactly once, and what its asker hears agrees with what the actor did.
 */
import { Effect, Exit, Fiber, Result } from "effect"
import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { type Address, address, type Behaviour, child } from "../../src/runtime/actor.ts"
import type { AskFailed } from "../../src/runtime/errors.ts"
import type { Ask } from "../../src/runtime/protocol.ts"
import { cellOf } from "../../src/runtime/ref.ts"
import type { SupervisorHandle } from "../../src/runtime/supervision.ts"
import { Supervisor } from "../../src/runtime/supervisor.ts"
import { passTime, settled, withTestClock } from "../support/test-clock.ts"

type Kind = "quick" | "slow" | "crash" | "refuse"
type Work = { readonly Do: Ask<{ readonly id: number; readonly kind: Kind; readonly ms: number }, number, "no"> }
type Outcome = Exit.Exit<number, "no" | AskFailed>

type Step =
  | { readonly do: "ask"; readonly kind: Kind; readonly ms: number; readonly within: number }
  | { readonly do: "interrupt"; readonly which: number }
  | { readonly do: "pass"; readonly ms: number }
  | { readonly do: "stop"; readonly mode: "drain" | "now" }

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant("ask" as const),
      kind: fc.constantFrom<Kind>("quick", "quick", "slow", "slow", "crash", "refuse"),
      ms: fc.integer({ min: 1, max: 30 }),
      within: fc.integer({ min: 1, max: 100 })
    })
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("interrupt" as const), which: fc.nat(20) }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant("pass" as const), ms: fc.integer({ min: 0, max: 40 }) }) },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constant("stop" as const), mode: fc.constantFrom("drain" as const, "now" as const) })
  }
)

interface Books {
  /** Ids in the order in which their handling began. */
  readonly begun: Array<number>
  readonly outcomes: Map<number, Array<Outcome>>
}

const worker = (books: Books, concurrent: number): Behaviour<Work> => ({
  init: () =>
    Effect.succeed({
      Do: ({ id, kind, ms }) =>
        Effect.suspend(() => {
          books.begun.push(id)
          if (kind === "crash") return Effect.andThen(Effect.sleep(ms), Effect.die(new Error("boom")))
          if (kind === "refuse") return Effect.fail("no" as const)
          return kind === "slow" ? Effect.as(Effect.sleep(ms), id) : Effect.succeed(id)
        })
    }),
  ...(concurrent > 1 ? { concurrent: { tags: ["Do"], inFlight: concurrent } } : {})
})

const supervised = (place: Address<Work>, behaviour: Behaviour<Work>) =>
  Supervisor.start({
    name: "root",
    strategy: "one_for_one",
    intensity: { max: 5, within: "1 second" },
    backoff: { initial: 5, maximum: 20, factor: 2, jitter: 0.5, resetAfter: "1 second" },
    onExhausted: "park",
    children: [child(place, behaviour, { restart: "permanent", stopWithin: 50 })]
  })

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

const agree = (books: Books, id: number, outcome: Outcome) => {
  const times = books.begun.filter((each) => each === id).length
  if (Exit.isSuccess(outcome)) return times === 1 && outcome.value === id
  const error = Exit.findError(outcome)
  if (Result.isFailure(error)) return times <= 1
  if (error.success === "no" || error.success._tag === "PeerDown") return times === 1
  if (error.success._tag === "Undeliverable") return times === 0
  return error.success.stage === "queued" ? times === 0 : times === 1
}

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
