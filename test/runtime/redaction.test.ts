/** What actors say to each other stays with them: not in spans, not in events, not in the graph, not in what is logged. */
import { inspect } from "node:util"
import { Cause, Effect, Redacted, Tracer } from "effect"
import { describe, expect, it } from "vitest"
import { address, type Behaviour, child } from "../../src/runtime/actor.ts"
import { type RuntimeEvent, RuntimeEvents } from "../../src/runtime/events.ts"
import type { Ask, Tell } from "../../src/runtime/protocol.ts"
import { reasonOf, traceOf } from "../../src/runtime/reason.ts"
import { Supervisor } from "../../src/runtime/supervisor.ts"
import { passTime, settled, withTestClock } from "../../src/testing/test-clock.ts"

const secret = "pin-4711-secret"
const bytes = new TextEncoder().encode(secret)
const cargo = { pin: Redacted.make(secret), bytes, text: secret }

type Cargo = typeof cargo
type Safe = {
  readonly Keep: Ask<Cargo, Cargo>
  readonly Refuse: Ask<Cargo, void, { readonly _tag: "Wrong"; readonly cargo: Cargo }>
  readonly Hang: Ask<Cargo, void>
  readonly Hold: Tell<Cargo>
  readonly Break: Ask<Cargo, void>
}

const safe: Behaviour<Safe> = {
  init: (context) =>
    Effect.succeed({
      Keep: (given) => Effect.succeed(given),
      Refuse: (given) => Effect.fail({ _tag: "Wrong" as const, cargo: given }),
      Hang: () => Effect.sleep("5 seconds"),
      Hold: () => Effect.void,
      Break: (given) => context.task("carrier", Effect.andThen(Effect.sleep(1), Effect.fail(given)))
    })
}

const within = { within: "1 minute" } as const

/** Everything that can be told of an actor while it keeps, refuses, hangs, loses and is given up. */
const everythingTold = Effect.gen(function* () {
  const spans: Array<Tracer.Span> = []
  const tracer = Tracer.make({
    span: (options) => {
      const span = new Tracer.NativeSpan(options)
      spans.push(span)
      return span
    }
  })
  const place = yield* address<Safe>({ name: "safe", mailbox: { capacity: 2, overflow: { policy: "refuse" } } })
  const starting = Supervisor.start({
    name: "root",
    strategy: "one_for_one",
    intensity: { max: 0, within: "1 minute" },
    backoff: { initial: 1, maximum: 1, factor: 1, jitter: 0, resetAfter: "1 minute" },
    onExhausted: "park",
    children: [child(place, safe, { restart: "permanent" })]
  })
  const handle = yield* Effect.provideService(starting, Tracer.Tracer, tracer)
  const graphs = [yield* handle.graph]
  yield* place.ref.ask("Keep", cargo, within)
  yield* Effect.exit(place.ref.ask("Refuse", cargo, within))
  yield* Effect.forkChild(Effect.exit(place.ref.ask("Hang", cargo, { within: "1 second" })))
  yield* settled
  for (let n = 0; n < 3; n++) yield* place.ref.offer("Hold", cargo)
  yield* passTime("2 seconds")
  graphs.push(yield* handle.graph)
  yield* passTime("5 seconds")
  yield* Effect.exit(place.ref.ask("Break", cargo, within))
  yield* passTime("1 second")
  graphs.push(yield* handle.graph)
  return { spans, graphs }
})

/** Our own side of a span; the links to the fiber's surroundings are not told to anybody. */
const told = (span: Tracer.Span) => ({ name: span.name, attributes: [...span.attributes], status: span.status })

const all = (value: unknown) => inspect(value, { depth: Number.POSITIVE_INFINITY, maxArrayLength: 1000, getters: true })

const expectNoSecret = (text: string) => {
  expect(text).not.toContain(secret)
  expect(text).not.toContain([...bytes].slice(0, 4).join(", "))
  expect(text).not.toContain(`"0":${bytes[0]}`)
}

describe("a payload, an answer and a refusal", () => {
  it("are in no span, and in no node of the graph but as the cause of its end", () =>
    withTestClock(
      Effect.gen(function* () {
        const { spans, graphs } = yield* everythingTold
        expect(spans.map((span) => span.attributes.get("message"))).toEqual(
          expect.arrayContaining(["Keep", "Refuse", "Hang", "Hold", "Break"])
        )
        expectNoSecret(all(spans.map(told)))
        const refused = spans.find((span) => span.attributes.get("message") === "Refuse")
        expect(all(refused?.status)).toContain("Wrong")
        const [, busy, parked] = graphs.map((nodes) => nodes[0])
        expect(busy).toMatchObject({
          depth: 2,
          refused: 1,
          oldestMs: 2000,
          handling: [{ message: "Hang", forMs: 2000 }]
        })
        expect(parked).toMatchObject({ state: "parked", depth: 0, handled: 6, handling: [], waitMs: 10_000 })
        expectNoSecret(all(graphs.flat().map((node) => ({ ...node, parkedFor: undefined }))))
        expectNoSecret(reasonOf(parked?.parkedFor ?? Cause.empty))
      })
    ))

  it("are in no event, but for the cause of a failure, of which only the name is told", () =>
    withTestClock(
      Effect.gen(function* () {
        const events: Array<RuntimeEvent> = []
        const sink = { publish: (event: RuntimeEvent) => void events.push(event), slowAfterMs: 100 }
        yield* Effect.provideService(everythingTold, RuntimeEvents, sink)
        const names = events.map((event) => event._tag)
        expect(names).toEqual(expect.arrayContaining(["Slow", "DeadLetter", "Failed", "GaveUp"]))
        for (const { cause, ...event } of events.map((each) => ({ cause: Cause.empty, ...each }))) {
          expectNoSecret(all(event))
          expectNoSecret(reasonOf(cause) + traceOf(cause))
        }
      })
    ))
})

describe("a reason", () => {
  it("has the name of a failure and the message of a defect, and a stack only for those who look for it", () => {
    class Wrong extends Error {
      override name = "Wrong"
    }
    expect(reasonOf(Cause.fail({ _tag: "PinRejected", ...cargo }))).toBe("PinRejected")
    expect(reasonOf(Cause.die(new Wrong("no wheel")))).toBe("Wrong: no wheel")
    expect(reasonOf(Cause.fail("no"))).toBe("no")
    expect(reasonOf(Cause.interrupt(1))).toBe("was interrupted")
    expect(traceOf(Cause.die(new Wrong("no wheel")))).toMatch(/Wrong: no wheel\n +at /)
    for (const value of [bytes, cargo, cargo.pin, [cargo]])
      for (const cause of [Cause.fail(value), Cause.die(value)]) {
        expect(reasonOf(cause)).toBe("failed")
        expect(traceOf(cause)).toBe("failed")
      }
  })
})
