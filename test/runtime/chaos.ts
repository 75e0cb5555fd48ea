/** A worker that may crash, refuse or take its time, and what its askers may hear of it: for tests of every order of events. */
import { Effect, Exit, Result } from "effect"
import fc from "fast-check"
import { type Address, type Behaviour, child } from "../../src/runtime/actor.ts"
import type { AskFailed } from "../../src/runtime/errors.ts"
import type { Ask } from "../../src/runtime/protocol.ts"
import { Supervisor } from "../../src/runtime/supervisor.ts"

export type Kind = "quick" | "slow" | "crash" | "refuse"
export type Work = { readonly Do: Ask<{ readonly id: number; readonly kind: Kind; readonly ms: number }, number, "no"> }
export type Outcome = Exit.Exit<number, "no" | AskFailed>

export type Step =
  | { readonly do: "ask"; readonly kind: Kind; readonly ms: number; readonly within: number }
  | { readonly do: "interrupt"; readonly which: number }
  | { readonly do: "pass"; readonly ms: number }
  | { readonly do: "stop"; readonly mode: "drain" | "now" }

export const step: fc.Arbitrary<Step> = fc.oneof(
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

export interface Books {
  /** Ids in the order in which their handling began. */
  readonly begun: Array<number>
  readonly outcomes: Map<number, Array<Outcome>>
}

export const worker = (books: Books, concurrent: number): Behaviour<Work> => ({
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

export const supervised = (place: Address<Work>, behaviour: Behaviour<Work>) =>
  Supervisor.start({
    name: "root",
    strategy: "one_for_one",
    intensity: { max: 5, within: "1 second" },
    backoff: { initial: 5, maximum: 20, factor: 2, jitter: 0.5, resetAfter: "1 second" },
    onExhausted: "park",
    children: [child(place, behaviour, { restart: "permanent", stopWithin: 50 })]
  })

/** `taken`: whether a message that was taken was also begun, which a pause just before its first step leaves open. */
export const agree = (books: Books, id: number, outcome: Outcome, taken: "begun" | "perhaps begun" = "begun") => {
  const least = taken === "begun" ? 1 : 0
  const times = books.begun.filter((each) => each === id).length
  if (Exit.isSuccess(outcome)) return times === 1 && outcome.value === id
  const error = Exit.findError(outcome)
  if (Result.isFailure(error)) return times <= 1
  if (error.success === "no") return times === 1
  if (error.success._tag === "PeerDown") return times >= least && times <= 1
  if (error.success._tag === "Undeliverable") return times === 0
  return error.success.stage === "queued" ? times === 0 : times >= least && times <= 1
}
