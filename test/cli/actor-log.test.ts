/** An actor that fails is never silent. */
import { Effect } from "effect"
import { expect, it } from "vitest"
import { withActorLog } from "../../src/cli/actor-log.ts"
import { loggingLayer } from "../../src/cli/logging.ts"
import * as Actor from "../../src/runtime/actor.ts"
import type { Tell } from "../../src/runtime/protocol.ts"

it("tells which actor failed and why, at the level everybody sees", async () => {
  const lines: Array<string> = []
  type Fragile = { readonly Break: Tell<void> }
  const behaviour: Actor.Behaviour<Fragile> = {
    init: () => Effect.succeed({ Break: () => Effect.die(new Error("the spring is gone")) })
  }
  const program = Effect.scoped(
    Effect.gen(function* () {
      const mailbox = { capacity: 1, overflow: { policy: "block" } } as const
      const ref = yield* Actor.start({ name: "clock", mailbox, behaviour })
      yield* ref.tell("Break", undefined)
      while (lines.length === 0) yield* Effect.yieldNow
    })
  )
  const log = loggingLayer({ level: "warn", withTime: false, write: (line) => lines.push(line) })
  await Effect.runPromise(Effect.provide(withActorLog(program), log))
  expect(lines.join("")).toContain("ERROR tedge: clock failed: Error: the spring is gone")
})
