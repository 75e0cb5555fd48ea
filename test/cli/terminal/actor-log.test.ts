/** An actor that fails is never silent. */
import { Data, Effect } from "effect"
import { expect, it } from "vitest"
import { refusalsLoggedByCaller, withActorLog } from "../../../src/cli/terminal/actor-log.ts"
import { loggingLayer } from "../../../src/cli/terminal/logging.ts"
import * as Actor from "../../../src/runtime/actor.ts"
import type { Tell } from "../../../src/runtime/protocol.ts"

it("logs which actor failed and why, at the default level", async () => {
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
  const log = loggingLayer({
    level: "warn",
    style: { withTime: false, withPriority: false },
    write: (line) => lines.push(line)
  })
  await Effect.runPromise(Effect.provide(withActorLog(program), log))
  expect(lines.join("")).toContain("ERROR tedge: clock failed: Error: the spring is gone")
})

it("leaves start refusals to the caller, but no bug and nothing later", async () => {
  const lines: Array<string> = []
  class Refused extends Data.TaggedError("Refused") {}
  type Fragile = { readonly Break: Tell<void> }
  const mailbox = { capacity: 1, overflow: { policy: "block" } } as const
  const started = (name: string, init: Effect.Effect<{ readonly Break: () => Effect.Effect<void> }, Refused>) =>
    refusalsLoggedByCaller(Actor.start<Fragile, Refused, never>({ name, mailbox, behaviour: { init: () => init } }))
  const program = Effect.scoped(
    Effect.gen(function* () {
      yield* Effect.exit(started("refused", Effect.fail(new Refused())))
      yield* Effect.exit(started("buggy", Effect.die(new Error("the spring is gone"))))
      const ref = yield* started("clock", Effect.succeed({ Break: () => Effect.die(new Error("it fell")) }))
      yield* ref.tell("Break", undefined)
      while (!lines.join("").includes("clock")) yield* Effect.yieldNow
    })
  )
  const log = loggingLayer({
    level: "warn",
    style: { withTime: false, withPriority: false },
    write: (line) => lines.push(line)
  })
  await Effect.runPromise(Effect.provide(withActorLog(program), log))
  expect(lines.join("")).not.toContain("refused")
  expect(lines.join("")).toContain("buggy failed: Error: the spring is gone")
  expect(lines.join("")).toContain("clock failed: Error: it fell")
})
