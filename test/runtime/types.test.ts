/** What the compiler refuses. Each line below would be a message nobody understands, or an answer nobody gets. */
import { Context, Effect } from "effect"
import { describe, expect, it } from "vitest"
import { type Address, type Behaviour, child } from "../../src/runtime/actor.ts"
import type { ActorRef, Ask, Handlers, Tell } from "../../src/runtime/protocol.ts"
import { Supervisor } from "../../src/runtime/supervisor.ts"

type Adder = { readonly Add: Ask<number, string, "odd">; readonly Note: Tell<string> }

declare const ref: ActorRef<Adder>
declare const place: Address<Adder>
const within = { within: "1 second" } as const

class Clockwork extends Context.Service<Clockwork, { readonly tick: number }>()("test/Clockwork") {}
declare const needsClockwork: Behaviour<Adder, "init failed", Clockwork>
declare const tree: Omit<Parameters<typeof Supervisor.start>[0], "children">

// Never called: only the types of these lines matter.
const refused = () => [
  // @ts-expect-error: a tell has no answer to wait for
  ref.ask("Note", "text", within),
  // @ts-expect-error: an ask must be asked, or its answer is lost
  ref.tell("Add", 1),
  // @ts-expect-error: the actor lacks this message
  ref.ask("Subtract", 1, within),
  // @ts-expect-error: the payload is a number
  ref.ask("Add", "1", within),
  // @ts-expect-error: an ask without a deadline could wait for ever
  ref.ask("Add", 1),
  // @ts-expect-error: a handler is missing
  { Add: () => Effect.succeed("1") } satisfies Handlers<Adder>,
  // @ts-expect-error: the answer is a string
  { Add: (n) => Effect.succeed(n), Note: () => Effect.void } satisfies Handlers<Adder>,
  // @ts-expect-error: this refusal is not in the protocol
  { Add: () => Effect.fail("even" as const), Note: () => Effect.void } satisfies Handlers<Adder>,
  Effect.runPromise(
    // @ts-expect-error: the behaviour needs a service that nobody provides
    Effect.scoped(Supervisor.start({ ...tree, children: [child(place, needsClockwork, { restart: "permanent" })] }))
  )
]

const accepted = () => [
  ref.ask("Add", 1, within) satisfies Effect.Effect<string, "odd" | { readonly _tag: string }>,
  ref.tell("Note", "text"),
  Supervisor.start({ ...tree, children: [child(place, needsClockwork, { restart: "permanent" })] }).pipe(
    Effect.scoped,
    Effect.provideService(Clockwork, { tick: 1 }),
    Effect.runPromise
  )
]

describe("the types of a protocol", () => {
  it("are checked by the compiler, over this file", () => {
    expect([refused, accepted].map((lines) => typeof lines)).toEqual(["function", "function"])
  })
})
