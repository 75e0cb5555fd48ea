/** Actors that are stopped and started again on account of another. */
import { Effect } from "effect"
import { describe, expect, it } from "vitest"
import { address, type Behaviour, child } from "../../src/runtime/actor.ts"
import { observe } from "../../src/runtime/observe.ts"
import type { Ask } from "../../src/runtime/protocol.ts"
import { passTime, withTestClock } from "../../src/testing/test-clock.ts"
import { family, permanent, place, supervise, within, worker } from "./family.ts"

describe("an actor that another takes along", () => {
  it("is not counted as failed itself", () =>
    withTestClock(
      Effect.gen(function* () {
        const restarting: Array<string> = []
        const { channel, around } = observe({ slowAfterMs: 60_000 })
        yield* channel.subscribe({ capacity: 64, overflow: "dropOldest" }, (event) =>
          Effect.sync(() => void (event._tag === "Restarting" && restarting.push(event.actor)))
        )
        const { ref } = yield* around(family(["a", "b", "c"], [], { strategy: "one_for_all" }))
        yield* Effect.exit(ref("a").ask("Crash", undefined, within))
        yield* passTime("1 second")
        expect(yield* ref("c").ask("Ping", undefined, within)).toBe(2)
        expect(restarting).toEqual(["a"])
      })
    ))

  it("finishes what it has in flight, and leaves what waits to its next incarnation", () =>
    withTestClock(
      Effect.gen(function* () {
        const log: Array<string> = []
        const first = yield* place("first")
        const router = yield* address<Router>({ name: "router", mailbox: refuse })
        yield* supervise([child(first, worker(log, "first"), permanent), child(router, routing(log), permanent)], {
          strategy: "one_for_all"
        })
        const asking = ["one", "two", "three"].map((name) => router.ref.ask("Serve", name, within))
        yield* Effect.forkChild(Effect.all(asking, { concurrency: "unbounded" }))
        yield* passTime(500)
        yield* Effect.exit(first.ref.ask("Crash", undefined, within))
        yield* passTime("1 minute")
        const served = log.filter((line) => line.includes("served"))
        expect(served).toEqual([
          "served one in incarnation 1",
          "served two in incarnation 1",
          "served three in incarnation 2"
        ])
      })
    ))
})

type Router = { readonly Serve: Ask<string, void> }

const refuse = { capacity: 8, overflow: { policy: "refuse" } } as const

/** Two at once, a second each. */
const routing = (log: Array<string>): Behaviour<Router> => {
  let incarnations = 0
  return {
    concurrent: { tags: ["Serve"], inFlight: 2 },
    init: () =>
      Effect.sync(() => {
        incarnations += 1
        const incarnation = incarnations
        const note = (name: string) => Effect.sync(() => void log.push(`served ${name} in incarnation ${incarnation}`))
        return { Serve: (name) => Effect.andThen(Effect.sleep("1 second"), note(name)) }
      })
  }
}
