/** Any order of crashes, asks and stops, with starts and stops that hang: one ask ends once, one incarnation at a time. */
import { Effect, Exit, Fiber } from "effect"
import fc from "fast-check"
import { expect, it } from "vitest"
import { address, type Behaviour, child } from "../../src/runtime/actor.ts"
import type { Ask } from "../../src/runtime/protocol.ts"
import type { SupervisorSpec } from "../../src/runtime/supervision.ts"
import { Supervisor } from "../../src/runtime/supervisor.ts"
import { passTime, withTestClock } from "../../src/testing/test-clock.ts"

type Work = { readonly Do: Ask<{ readonly ms: number; readonly crash: boolean }, number> }

/** How each incarnation of an actor starts and ends, in turn. `hang`: for longer than anybody waits, whatever is done to it. */
type Manner = "quick" | "slow" | "fail" | "hang"

interface Incarnation {
  readonly number: number
  state: "starting" | "up" | "releasing" | "gone"
}

const take = (manner: Manner): Effect.Effect<void, string> => {
  if (manner === "fail") return Effect.fail("no")
  if (manner === "hang") return Effect.uninterruptible(Effect.sleep(200))
  return manner === "slow" ? Effect.sleep(20) : Effect.void
}

const behaviour = (
  incarnations: Array<Incarnation>,
  manners: ReadonlyArray<Manner>,
  faults: Array<string>
): Behaviour<Work, string> => ({
  init: () =>
    Effect.gen(function* () {
      const incarnation: Incarnation = { number: incarnations.length + 1, state: "starting" }
      // A successor may begin while one that was given up still lets go, but never beside one that works.
      if (incarnations.some(({ state }) => state === "up"))
        faults.push(`incarnation ${incarnation.number} began while another worked`)
      incarnations.push(incarnation)
      const manner = (n: number) => manners[(incarnation.number * 2 + n) % manners.length] ?? "quick"
      yield* Effect.addFinalizer(() =>
        Effect.suspend(() => {
          incarnation.state = "releasing"
          return Effect.ensuring(
            Effect.orDie(take(manner(1))),
            Effect.sync(() => {
              incarnation.state = "gone"
            })
          )
        })
      )
      // The first start of a tree is to succeed, or there is nothing to try.
      if (incarnation.number > 1) yield* take(manner(0))
      incarnation.state = "up"
      return {
        Do: ({ ms, crash }) =>
          Effect.suspend(() => {
            if (incarnation.state !== "up")
              faults.push(`incarnation ${incarnation.number} took a message while it was ${incarnation.state}`)
            if (incarnations.length > incarnation.number)
              faults.push(`incarnation ${incarnation.number} took a message of incarnation ${incarnations.length}`)
            return crash ? Effect.die(new Error("boom")) : Effect.as(Effect.sleep(ms), incarnation.number)
          })
      }
    })
})

const step = fc.oneof(
  { weight: 4, arbitrary: fc.record({ do: fc.constant("ask" as const), who: fc.nat(2), ms: fc.nat(30) }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant("crash" as const), who: fc.nat(2) }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant("pass" as const), ms: fc.nat(250) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("remove" as const), who: fc.nat(2) }) }
)

const manners = fc.array(fc.constantFrom<Manner>("quick", "slow", "fail", "hang"), {
  minLength: 1,
  maxLength: 9
})

const limits = {
  name: "root",
  intensity: { max: 3, within: 300 },
  backoff: { initial: 5, maximum: 20, factor: 2, jitter: 0.5, resetAfter: 100 },
  onExhausted: "park",
  retryParked: 500
} as const

it.each(["one_for_one", "rest_for_one", "one_for_all", "dynamic"] as const)(
  "under %s each ask ends once, no incarnation works beside another, and none is left in the end",
  (strategy) =>
    fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 25 }), fc.tuple(manners, manners, manners), async (steps, all) => {
        await withTestClock(
          Effect.gen(function* () {
            const faults: Array<string> = []
            const incarnations: ReadonlyArray<Array<Incarnation>> = [[], [], []]
            const places = yield* Effect.forEach(["a", "b", "c"], (name) =>
              address<Work>({ name, mailbox: { capacity: 64, overflow: { policy: "refuse" } } })
            )
            const children = places.map((place, index) =>
              child(place, behaviour(incarnations[index] ?? [], all[index] ?? [], faults), {
                restart: "permanent",
                startWithin: 50,
                stopWithin: 50
              })
            )
            const tree = strategy === "dynamic" ? undefined : ({ ...limits, strategy, children } as SupervisorSpec<[]>)
            const pool = tree === undefined ? yield* Supervisor.dynamic(limits) : undefined
            if (pool) for (const one of children) yield* pool.add(one)
            const handle = tree === undefined ? pool : yield* Supervisor.start(tree)
            if (handle === undefined) return
            const ends: Array<number> = []
            const asking: Array<Fiber.Fiber<unknown>> = []
            for (const one of steps) {
              const place = "who" in one ? places[one.who] : undefined
              if (one.do === "pass") yield* passTime(one.ms)
              else if (one.do === "remove") {
                if (pool) yield* Effect.forkChild(pool.remove(place?.ref.name ?? ""))
              } else if (place) {
                const index = ends.push(0) - 1
                const payload = { ms: "ms" in one ? one.ms : 0, crash: one.do === "crash" }
                const ask = Effect.onExit(place.ref.ask("Do", payload, { within: 200 }), () =>
                  Effect.sync(() => {
                    ends[index] = (ends[index] ?? 0) + 1
                  })
                )
                asking.push(yield* Effect.forkChild(Effect.exit(ask), { startImmediately: true }))
              }
            }
            const stopping = yield* Effect.forkChild(handle.stop("drain"), { startImmediately: true })
            yield* passTime("2 minutes")
            expect(Exit.isSuccess(yield* Fiber.await(stopping))).toBe(true)
            for (const fiber of asking) yield* Fiber.join(fiber)
            expect(ends.every((times) => times === 1)).toBe(true)
            expect(faults).toEqual([])
            expect(incarnations.flat().filter(({ state }) => state !== "gone")).toEqual([])
          })
        )
      }),
      { numRuns: 100 }
    ),
  120_000
)
