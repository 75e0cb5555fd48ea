/** What the watchdog is told for. */
import { Effect, Fiber } from "effect"
import { describe, expect, it } from "vitest"
import { actorsAnswer } from "../../../../src/cli/services/p11-server/server-graph.ts"
import type { CryptokiProtocol } from "../../../../src/messages/cryptoki.ts"
import type { P11ServerProtocol } from "../../../../src/messages/p11-server.ts"
import { type Behaviour, start } from "../../../../src/runtime/actor.ts"
import { fakeToken } from "../../../../src/testing/fake-token.ts"
import { passTime, withTestClock } from "../../../../src/testing/test-clock.ts"

const mailbox = { capacity: 10, overflow: { policy: "refuse" } } as const
const status = { connections: 0, answering: 0, served: 0, refused: 0, aborted: 0 }

/** Whether the watchdog would be told, within a minute. */
const isTold = (stuck: "cryptoki" | "server" | "a token" | undefined) =>
  withTestClock(
    Effect.gen(function* () {
      const { behaviour, state } = fakeToken({ label: "my-token", defaultPin: "123456" })
      state.hang = stuck === "a token"
      const tokens: Behaviour<CryptokiProtocol> = {
        ...behaviour,
        init: (context) =>
          Effect.map(behaviour.init(context), (all) =>
            stuck === "cryptoki" ? { ...all, Ping: () => Effect.never } : all
          )
      }
      const serving: Behaviour<P11ServerProtocol> = {
        init: () =>
          Effect.succeed({
            Status: () => (stuck === "server" ? Effect.never : Effect.succeed(status)),
            Reload: () => Effect.void
          })
      }
      const cryptoki = yield* start<CryptokiProtocol, never, never>({ name: "cryptoki", mailbox, behaviour: tokens })
      const server = yield* start({ name: "server", mailbox, behaviour: serving })
      const listing = yield* Effect.forkChild(Effect.exit(cryptoki.ask("ListTokens", undefined, { within: "1 hour" })))
      const answered = yield* Effect.forkChild(Effect.exit(actorsAnswer(cryptoki, server)))
      yield* passTime("1 minute")
      state.hang = false
      yield* Fiber.interrupt(listing)
      return (yield* Fiber.join(answered))._tag === "Success"
    })
  )

describe("the watchdog of tedge-p11-server", () => {
  it.each([
    [undefined, true],
    ["a token", true],
    ["cryptoki", false],
    ["server", false]
  ] as const)("with %s stuck is told: %s", async (stuck, told) => {
    expect(await isTold(stuck)).toBe(told)
  })
})
