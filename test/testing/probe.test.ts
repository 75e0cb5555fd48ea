/** A probe writes down, answers as it is told, and lets a test wait for a message. */
import { Effect, Fiber } from "effect"
import { describe, expect, it } from "vitest"
import type { Ask, Tell } from "../../src/runtime/protocol.ts"
import { probe } from "../../src/testing/probe.ts"

type LampProtocol = {
  readonly Switch: Tell<boolean>
  readonly IsOn: Ask<void, boolean>
}

describe("a probe", () => {
  it("writes down what it is sent, in order, and answers", async () => {
    const seen = await Effect.runPromise(
      Effect.scoped(
        Effect.gen(function* () {
          const lamp = yield* probe<LampProtocol>({
            name: "lamp",
            handlers: { Switch: () => Effect.void, IsOn: () => Effect.succeed(true) }
          })
          const waiting = yield* Effect.forkChild(lamp.next("IsOn"), { startImmediately: true })
          yield* lamp.ref.tell("Switch", true)
          yield* lamp.ref.tell("Switch", false)
          const isOn = yield* lamp.ref.ask("IsOn", undefined, { within: "5 seconds" })
          yield* Fiber.join(waiting)
          return [isOn, yield* lamp.next("Switch"), yield* lamp.next("Switch"), lamp.received.map(({ tag }) => tag)]
        })
      )
    )
    expect(seen).toEqual([true, true, false, ["Switch", "Switch", "IsOn"]])
  })
})
