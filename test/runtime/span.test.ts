/** When spans begin and end: what is inside another lies within it, whatever the clocks do. */
import { Clock, Effect, Tracer } from "effect"
import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { type Behaviour, start } from "../../src/runtime/actor.ts"
import { RuntimeClock } from "../../src/runtime/primitives/runtime-clock.ts"
import type { ActorRef, Ask } from "../../src/runtime/protocol.ts"
import { spanned } from "../../src/runtime/span.ts"

/** Work that takes a while, in which the system's clock may be set, and which has more such work in it. */
interface Work {
  readonly by: "span" | "actor" | "span of Effect"
  readonly nanos: number
  readonly stepMs: number
  readonly inside: ReadonlyArray<Work>
}

type Worker = { readonly Do: Ask<Work, void> }

/** Its wall clock has whole milliseconds, as the system's. */
const system = () => {
  let nanos = 1_234_567_890n
  let stepped = 0
  const clock = new RuntimeClock({
    monotonicNanos: () => nanos,
    wallMs: () => 1_700_000_000_000 + Math.floor(Number(nanos) / 1e6) + stepped,
    bootMs: () => Number(nanos) / 1e6
  })
  const pass = (work: Work) =>
    Effect.sync(() => {
      nanos += BigInt(work.nanos)
      stepped += work.stepMs
    })
  return { clock, pass }
}

const spansOf = async (root: Work): Promise<ReadonlyArray<Tracer.Span>> => {
  const { clock, pass } = system()
  const spans: Array<Tracer.Span> = []
  const tracer = Tracer.make({
    span: (options) => {
      const span = new Tracer.NativeSpan(options)
      spans.push(span)
      return span
    }
  })
  const doing = (work: Work, worker: () => ActorRef<Worker>): Effect.Effect<void> => {
    const inside = Effect.forEach(work.inside, (one) => doing(one, worker), { discard: true })
    const whole = pass(work).pipe(Effect.andThen(inside), Effect.andThen(pass(work)))
    if (work.by === "span") return spanned("span", {}, whole)
    if (work.by === "span of Effect") return Effect.withSpan(whole, "span of Effect")
    return Effect.andThen(Effect.ignore(worker().ask("Do", { ...work, inside: [] }, { within: "Infinity" })), inside)
  }
  const behaviour: Behaviour<Worker> = {
    init: () => Effect.succeed({ Do: (work) => doing({ ...work, by: "span" }, no) })
  }
  const scenario = Effect.gen(function* () {
    const mailbox = { capacity: 8, overflow: { policy: "refuse" } } as const
    const worker = yield* start<Worker, never, never>({ name: "worker", mailbox, behaviour })
    yield* doing(root, () => worker)
  })
  await Effect.runPromise(
    Effect.scoped(scenario).pipe(
      Effect.provideService(Tracer.Tracer, tracer),
      Effect.provideService(Clock.Clock, clock)
    )
  )
  return spans
}

const no = (): never => {
  throw new Error("an actor does not ask itself")
}

const work = (by: ReadonlyArray<Work["by"]>, steps: fc.Arbitrary<number>): fc.Arbitrary<Work> =>
  fc.letrec<{ work: Work }>((tie) => ({
    work: fc.record({
      by: fc.constantFrom(...by),
      nanos: fc.nat({ max: 3_000_000 }),
      stepMs: steps,
      inside: fc.oneof({ maxDepth: 3 }, fc.constant([]), fc.array(tie("work"), { maxLength: 3 }))
    })
  })).work

const outside = (spans: ReadonlyArray<Tracer.Span>) =>
  spans.filter(({ status, parent }) => {
    if (parent._tag === "None" || parent.value._tag !== "Span") return false
    const above = parent.value.status
    if (status._tag !== "Ended" || above._tag !== "Ended") return true
    return status.startTime < above.startTime || status.endTime > above.endTime
  })

const liesWithin = async (root: Work): Promise<void> => {
  expect(outside(await spansOf(root))).toEqual([])
}

describe("a span", () => {
  it("lies within the one it is in, and over clock steps too", () =>
    fc.assert(
      fc.asyncProperty(work(["span", "actor"], fc.constantFrom(0, 0, 0, 1, -1, 7_200_000, -7_200_000)), liesWithin),
      { seed: 18, numRuns: 200 }
    ))

  it("lies within a span that Effect made, and has such a span within it", () =>
    fc.assert(fc.asyncProperty(work(["span", "actor", "span of Effect"], fc.constant(0)), liesWithin), {
      seed: 18,
      numRuns: 200
    }))

  it("begins and ends to the microsecond, at the date that the system's clock has then", async () => {
    const one = (stepMs: number): Work => ({ by: "span", nanos: 250_000, stepMs, inside: [] })
    const root: Work = { by: "actor", nanos: 0, stepMs: 0, inside: [one(0), one(7_200_000), one(0)] }
    const lengths = (await spansOf(root)).filter(({ name }) => name === "span").slice(1)
    const times = lengths.map(({ status }) => (status._tag === "Ended" ? status.endTime - status.startTime : 0n))
    expect(times).toEqual([500_000n, 500_000n, 500_000n])
    const [first, second, third] = lengths.map(({ status }) => status.startTime)
    expect((second ?? 0n) - (first ?? 0n)).toBe(500_000n)
    expect((third ?? 0n) - (second ?? 0n)).toBeGreaterThan(2n * 7_200_000n * 1_000_000n - 2_000_000n)
  })
})
