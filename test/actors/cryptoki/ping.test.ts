/** What the watchdog asks: the mailboxes of CryptokiActor and its token actors, never a token. */
import { Effect, Fiber } from "effect"
import { describe, expect, it } from "vitest"
import { start, takesTurns } from "../../../src/runtime/actor.ts"
import type { Tell } from "../../../src/runtime/protocol.ts"
import { passTime, withTestClock } from "../../../src/testing/test-clock.ts"
import { startFake } from "./host/fake-host.ts"

const order = { key: {}, scheme: undefined, message: Uint8Array.of(1) }

/** A sequential handler that may be stuck, as a token actor's turns may be. */
type Turns = { readonly Work: Tell<void> }

const actor = (work: Effect.Effect<void>) =>
  Effect.tap(
    start<Turns, never, never>({
      name: "token actor",
      mailbox: { capacity: 4, overflow: { policy: "refuse" } },
      behaviour: { init: () => Effect.succeed({ Work: () => work }) }
    }),
    (ref) => ref.tell("Work", undefined)
  )

const answersWithin = (asked: Effect.Effect<void>, time: "1 minute") =>
  Effect.gen(function* () {
    const asking = yield* Effect.forkChild(asked)
    yield* passTime(time)
    const answered = asking.pollUnsafe() !== undefined
    yield* Fiber.interrupt(asking)
    return answered
  })

describe("a ping", () => {
  it("is answered from the mailbox of an actor", () =>
    withTestClock(
      Effect.gen(function* () {
        expect(yield* answersWithin(takesTurns(yield* actor(Effect.void)), "1 minute")).toBe(true)
      })
    ))

  it("is not answered while an actor is stuck", () =>
    withTestClock(
      Effect.gen(function* () {
        const stuck = yield* actor(Effect.never)
        expect(yield* answersWithin(takesTurns(stuck), "1 minute")).toBe(false)
      })
    ))

  it("is answered when an actor has ended over a mistake of ours, before or meanwhile: its supervisor restarts it", () =>
    withTestClock(
      Effect.gen(function* () {
        const broken = yield* actor(Effect.die("a mistake"))
        expect(yield* answersWithin(takesTurns(broken), "1 minute")).toBe(true)
        expect(yield* answersWithin(takesTurns(broken), "1 minute")).toBe(true)
        const breaking = yield* actor(Effect.andThen(Effect.sleep("10 seconds"), Effect.die("a mistake")))
        expect(yield* answersWithin(takesTurns(breaking), "1 minute")).toBe(true)
      })
    ))

  it("is answered while a token hangs and 500 clients wait for it", () =>
    withTestClock(
      Effect.gen(function* () {
        const { ref, module } = yield* startFake()
        yield* ref.ask("Sign", order, { within: "1 minute" })
        module.signMs = 3_600_000
        const waiting = yield* Effect.forkChild(
          Effect.forEach(Array(500).fill(order), (one) => Effect.exit(ref.ask("Sign", one, { within: "30 minutes" })), {
            concurrency: "unbounded"
          })
        )
        yield* passTime("5 seconds")
        const pinging = yield* Effect.forkChild(ref.ask("Ping", undefined, { within: "5 seconds" }))
        yield* passTime("10 seconds")
        expect(yield* Fiber.join(pinging)).toBeUndefined()
        yield* Fiber.interrupt(waiting)
      })
    ))
})
