/** What the watchdog asks: the mailboxes of CryptokiActor and its token actors, never a token. */
import { Effect, Fiber } from "effect"
import { describe, expect, it } from "vitest"
import { pingTokenActors } from "../../../src/actors/cryptoki/router.ts"
import type { TokenProtocol } from "../../../src/actors/cryptoki/token/token-actor.ts"
import { start } from "../../../src/runtime/actor.ts"
import type { Handlers } from "../../../src/runtime/protocol.ts"
import { passTime, withTestClock } from "../../support/test-clock.ts"
import { startFake } from "./host/fake-host.ts"

const order = { key: {}, scheme: undefined, message: Uint8Array.of(1) }

/** An actor with a token actor's mailbox and nothing behind it. */
const tokenActor = (ping: Effect.Effect<void>) =>
  Effect.map(
    start<TokenProtocol, never, never>({
      name: "token actor",
      mailbox: { capacity: 4, overflow: { policy: "refuse" } },
      // Nothing but Ping is sent.
      behaviour: { init: () => Effect.succeed({ Ping: () => ping } as unknown as Handlers<TokenProtocol>) }
    }),
    (ref) => ({ ref })
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
  it("is answered when every token actor has answered from its mailbox", () =>
    withTestClock(
      Effect.gen(function* () {
        expect(
          yield* answersWithin(
            pingTokenActors([yield* tokenActor(Effect.void), yield* tokenActor(Effect.void)]),
            "1 minute"
          )
        ).toBe(true)
      })
    ))

  it("is not answered while the mailbox of a token actor is stuck", () =>
    withTestClock(
      Effect.gen(function* () {
        const stuck = yield* tokenActor(Effect.never)
        expect(yield* answersWithin(pingTokenActors([yield* tokenActor(Effect.void), stuck]), "1 minute")).toBe(false)
      })
    ))

  it("is answered when a token actor has ended over a mistake of ours: its supervisor sees to it", () =>
    withTestClock(
      Effect.gen(function* () {
        const broken = yield* tokenActor(Effect.die("a mistake"))
        expect(yield* answersWithin(pingTokenActors([broken]), "1 minute")).toBe(true)
        expect(yield* answersWithin(pingTokenActors([broken]), "1 minute")).toBe(true)
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
