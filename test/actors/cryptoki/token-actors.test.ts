/** The actors of tokens under their supervisor: a defect costs the request that met it, never the token. */
import { Effect, Fiber } from "effect"
import { expect, it } from "vitest"
import { passTime, withTestClock } from "../../../src/testing/test-clock.ts"
import { someToken, startFake } from "./host/fake-host.ts"

const order = { key: {}, scheme: undefined, message: Uint8Array.of(1) }
const within = { within: "1 minute" } as const

it("a defect in a request is reported as such, and the next request finds the token", () =>
  withTestClock(
    Effect.gen(function* () {
      const { ref, module } = yield* startFake()
      yield* ref.ask("Sign", order, within)
      module.defects = 1
      expect(yield* Effect.flip(ref.ask("Sign", order, within))).toMatchObject({
        _tag: "TokenActorFailed",
        state: "restarted"
      })
      const next = yield* Effect.forkChild(ref.ask("Sign", order, within))
      yield* passTime("5 seconds")
      expect(yield* Fiber.join(next)).toHaveProperty("signature")
    })
  ))

it("a token whose requests keep ending with defects is refused for five minutes, and then tried again", () =>
  withTestClock(
    Effect.gen(function* () {
      // It wants no login: logins have a limit of their own.
      const { ref, module } = yield* startFake({}, { tokens: [{ ...someToken("t"), flags: 0x400 }] })
      module.defects = 11
      for (let n = 0; n < 11; n++) {
        const asked = yield* Effect.forkChild(Effect.exit(ref.ask("Sign", order, within)))
        yield* passTime("5 seconds")
        yield* Fiber.join(asked)
      }
      expect(yield* Effect.flip(ref.ask("Sign", order, within))).toMatchObject({
        _tag: "TokenActorFailed",
        state: "parked",
        retryInMs: expect.toSatisfy((ms: number) => ms > 240_000 && ms <= 300_000)
      })
      yield* passTime("5 minutes")
      expect(yield* ref.ask("Sign", order, within)).toHaveProperty("signature")
    })
  ))

it("a request that is interrupted while it starts the actor leaves it to the next one", () =>
  withTestClock(
    Effect.gen(function* () {
      const { ref } = yield* startFake()
      const first = yield* Effect.forkChild(ref.ask("Sign", order, within), { startImmediately: true })
      yield* Fiber.interrupt(first)
      expect(yield* ref.ask("Sign", order, within)).toHaveProperty("signature")
    })
  ))
