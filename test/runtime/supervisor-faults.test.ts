/** What a supervisor does when others than a lone child under one_for_one are concerned, and what chance has to say. */
import { Cause, Effect, Fiber, Random } from "effect"
import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { address, child } from "../../src/runtime/actor.ts"
import { type RuntimeEvent, RuntimeEvents } from "../../src/runtime/events.ts"
import { pauseBefore } from "../../src/runtime/internal/restart-policy.ts"
import type { ActorRef, Tell } from "../../src/runtime/protocol.ts"
import type { SupervisorSpec } from "../../src/runtime/supervision.ts"
import { passTime, withTestClock } from "../../src/testing/test-clock.ts"
import { backoff, family, permanent, place, supervise, type Worker, within, worker } from "./family.ts"

const crash = (ref: ActorRef<Worker>) =>
  Effect.andThen(Effect.exit(ref.ask("Crash", undefined, within)), passTime("10 seconds"))

/** Two actors under a supervisor of their own, below another that has one more. */
const nested = (log: Array<string>, below: Partial<SupervisorSpec>, above: Partial<SupervisorSpec> = {}) =>
  Effect.gen(function* () {
    const [a, b, c] = [yield* place("a"), yield* place("b"), yield* place("c")]
    const inner = {
      name: "inner",
      strategy: "one_for_one",
      intensity: { max: 1, within: "1 minute" },
      backoff,
      onExhausted: "escalate",
      ...below,
      children: [child(a, worker(log, "a"), permanent), child(b, worker(log, "b"), permanent)]
    } as const
    const handle = yield* supervise([inner, child(c, worker(log, "c"), permanent)], above)
    return { handle, a: a.ref, b: b.ref, c: c.ref }
  })

describe("a supervisor below another", () => {
  it("that gave up is started again with all its children, and their refs work again", () =>
    withTestClock(
      Effect.gen(function* () {
        const log: Array<string> = []
        const { handle, a, b, c } = yield* nested(log, {})
        yield* crash(a)
        yield* Effect.exit(a.ask("Crash", undefined, within))
        yield* passTime("1 second")
        expect(log.slice(3)).toEqual(["a down", "a up", "a down", "b down", "a up", "b up"])
        expect(yield* Effect.all([a, b, c].map((ref) => ref.ask("Ping", undefined, within)))).toEqual([3, 2, 1])
        expect((yield* handle.graph).map(({ state, restarts }) => [state, restarts])).toEqual([
          ["ready", 2],
          ["ready", 1],
          ["ready", 0]
        ])
      })
    ))

  it("counts its own restarts anew after that, and those above count its failures", () =>
    withTestClock(
      Effect.gen(function* () {
        const log: Array<string> = []
        const { handle, a, c } = yield* nested(log, {}, { intensity: { max: 1, within: "10 minutes" } })
        for (let n = 0; n < 3; n++) yield* crash(a)
        expect(yield* a.ask("Ping", undefined, within)).toBe(4)
        yield* crash(a)
        expect(yield* handle.awaitExit).toMatchObject({ _tag: "GaveUp", child: "inner" })
        expect(yield* Effect.flip(a.ask("Ping", undefined, within))).toMatchObject({ reason: "stopped" })
        expect(yield* Effect.flip(c.ask("Ping", undefined, within))).toMatchObject({ reason: "stopped" })
        expect(log.slice(-3)).toEqual(["a down", "b down", "c down"])
      })
    ))

  it("is parked with all its children when those above park", () =>
    withTestClock(
      Effect.gen(function* () {
        const { handle, a, c } = yield* nested([], {}, { onExhausted: "park", intensity: { max: 0, within: "1 hour" } })
        for (let n = 0; n < 2; n++) yield* crash(a)
        expect((yield* handle.graph).map((node) => node.state)).toEqual(["parked", "parked", "ready"])
        expect(yield* c.ask("Ping", undefined, within)).toBe(1)
      })
    ))

  it("restarts with those before it under rest_for_one", () =>
    withTestClock(
      Effect.gen(function* () {
        const log: Array<string> = []
        const first = yield* place("first")
        const [a, b] = [yield* place("a"), yield* place("b")]
        const inner = {
          name: "inner",
          strategy: "one_for_one",
          intensity: { max: 1, within: "1 minute" },
          backoff,
          onExhausted: "escalate",
          children: [child(a, worker(log, "a"), permanent), child(b, worker(log, "b"), permanent)]
        } as const
        yield* supervise([child(first, worker(log, "first"), permanent), inner], { strategy: "rest_for_one" })
        yield* crash(first.ref)
        expect(log.slice(3)).toEqual(["first down", "b down", "a down", "first up", "a up", "b up"])
        expect(yield* b.ref.ask("Ping", undefined, within)).toBe(2)
      })
    ))
})

describe("a crash from outside", () => {
  it("is a failure like any other, also below another supervisor", () =>
    withTestClock(
      Effect.gen(function* () {
        const log: Array<string> = []
        const { handle, b } = yield* nested(log, {})
        const waiting = yield* Effect.forkChild(Effect.flip(b.ask("Wait", 60_000, { within: "1 hour" })))
        yield* passTime(1)
        yield* handle.crash("b")
        yield* passTime(1)
        expect(waiting.pollUnsafe()).toMatchObject({ value: { _tag: "PeerDown", message: "Wait" } })
        yield* passTime("1 second")
        expect(log.slice(3)).toEqual(["b down", "b up"])
        expect((yield* handle.graph).map((node) => node.restarts)).toEqual([0, 1, 0])
      })
    ))

  it("of a transient child restarts it, of a temporary one ends it", () =>
    withTestClock(
      Effect.gen(function* () {
        const { handle } = yield* family(["transient", "temporary"], [], {
          of: (name) => ({ restart: name === "transient" ? "transient" : "temporary" })
        })
        for (const name of ["transient", "temporary", "nobody"]) yield* handle.crash(name)
        yield* passTime("1 second")
        expect((yield* handle.graph).map((node) => node.state)).toEqual(["ready", "stopped"])
      })
    ))

  it("of one that waits to be restarted, or was parked, changes nothing", () =>
    withTestClock(
      Effect.gen(function* () {
        const { handle, ref } = yield* family(["a"], [], {
          onExhausted: "park",
          intensity: { max: 1, within: "1 hour" }
        })
        yield* handle.crash("a")
        yield* passTime(1)
        yield* handle.crash("a")
        yield* passTime("1 second")
        expect(yield* ref("a").ask("Ping", undefined, within)).toBe(2)
        yield* handle.crash("a")
        yield* passTime("1 second")
        yield* handle.crash("a")
        yield* passTime("1 minute")
        expect(yield* handle.graph).toMatchObject([{ state: "parked", restarts: 1 }])
      })
    ))
})

describe("a cause for which a child says `escalate`", () => {
  it("makes the supervisor give up at once, and tells it", () =>
    withTestClock(
      Effect.gen(function* () {
        const log: Array<string> = []
        const { handle, ref } = yield* family(["a", "b"], log, { of: () => ({ decide: () => "escalate" }) })
        yield* Effect.exit(ref("a").ask("Crash", undefined, within))
        const exit = yield* handle.awaitExit
        expect(exit).toMatchObject({ _tag: "GaveUp", child: "a" })
        expect(exit._tag === "GaveUp" && Cause.squash(exit.cause)).toMatchObject({ message: "boom" })
        expect(log.slice(2)).toEqual(["a down", "b down"])
      })
    ))

  it("does so in the middle of another child's restart", () =>
    withTestClock(
      Effect.gen(function* () {
        const log: Array<string> = []
        const { handle, ref } = yield* family(["a", "b"], log, {
          of: (name) => (name === "b" ? { decide: () => "escalate" } : {})
        })
        yield* Effect.exit(ref("a").ask("Crash", undefined, within))
        yield* passTime(500)
        yield* Effect.exit(ref("b").ask("Crash", undefined, within))
        yield* passTime("1 minute")
        expect(yield* handle.awaitExit).toMatchObject({ child: "b" })
        expect(log.slice(2)).toEqual(["a down", "b down"])
        expect((yield* handle.graph).map((node) => node.state)).toEqual(["stopped", "stopped"])
      })
    ))

  it("is decided by those above when it happens below", () =>
    withTestClock(
      Effect.gen(function* () {
        const log: Array<string> = []
        const a = yield* place("a")
        const inner = {
          name: "inner",
          strategy: "one_for_one",
          intensity: { max: 5, within: "1 minute" },
          backoff,
          onExhausted: "park",
          children: [child(a, worker(log, "a"), { restart: "permanent", decide: () => "escalate" })]
        } as const
        yield* supervise([inner])
        yield* crash(a.ref)
        expect(log).toEqual(["a up", "a down", "a up"])
      })
    ))
})

describe("a crash during the first start", () => {
  it.each(["one_for_all", "rest_for_one"] as const)("under %s starts none of those after it twice", (strategy) =>
    withTestClock(
      Effect.gen(function* () {
        const log: Array<string> = []
        const [a, b, c] = [yield* place("a"), yield* place("b"), yield* place("c")]
        const starting = supervise(
          [
            child(a, worker(log, "a"), permanent),
            child(
              b,
              worker(log, "b", { init: (incarnation) => Effect.sleep(incarnation === 1 ? 3000 : 0) }),
              permanent
            ),
            child(c, worker(log, "c"), permanent)
          ],
          { strategy }
        )
        const started = yield* Effect.forkChild(starting, { startImmediately: true })
        yield* passTime("1 second")
        yield* Effect.exit(a.ref.ask("Crash", undefined, within))
        yield* passTime("10 seconds")
        const handle = yield* Fiber.join(started)
        expect(log).toEqual(["a up", "a down", "b up", "c up", "c down", "b down", "a up", "b up", "c up"])
        expect(yield* Effect.all([a, b, c].map(({ ref }) => ref.ask("Ping", undefined, within)))).toEqual([2, 2, 2])
        yield* handle.stop("drain")
        expect(log.filter((line) => line.endsWith("down"))).toHaveLength(6)
      })
    )
  )

  it("too many fail the start, and nothing is left", () =>
    withTestClock(
      Effect.gen(function* () {
        const log: Array<string> = []
        const [a, b] = [yield* place("a"), yield* place("b")]
        const starting = supervise(
          [
            child(a, worker(log, "a"), permanent),
            child(b, worker(log, "b", { init: () => Effect.sleep(9000) }), permanent)
          ],
          { intensity: { max: 1, within: "1 minute" } }
        )
        const started = yield* Effect.forkChild(Effect.flip(starting), { startImmediately: true })
        for (let n = 0; n < 2; n++) {
          yield* Effect.exit(a.ref.ask("Crash", undefined, within))
          yield* passTime("3 seconds")
        }
        yield* passTime("10 seconds")
        expect(yield* Fiber.join(started)).toMatchObject({ _tag: "StartFailed", child: "a" })
        yield* passTime("1 hour")
        expect(log).toEqual(["a up", "a down", "a up", "a down", "b up", "b down"])
      })
    ))
})

describe("an incarnation that was given up", () => {
  it("and ends later is not taken for its successor, of which there is one", () =>
    withTestClock(
      Effect.gen(function* () {
        const log: Array<string> = []
        const [a, b] = [yield* place("a"), yield* place("b")]
        let releases = 0
        const release = Effect.suspend(() => {
          releases += 1
          return releases === 1 ? Effect.andThen(Effect.sleep("20 seconds"), Effect.die("late")) : Effect.void
        })
        const downs: Array<string> = []
        const watcher = yield* address<{ readonly Go: Tell<void> }>({
          name: "w",
          mailbox: { capacity: 1, overflow: { policy: "refuse" } }
        })
        const handle = yield* supervise(
          [
            child(a, worker(log, "a", { release }), { ...permanent, stopWithin: "1 second" }),
            child(b, worker(log, "b"), permanent)
          ],
          { strategy: "one_for_all" }
        )
        yield* supervise([
          child(
            watcher,
            {
              init: ({ watch }) =>
                Effect.as(
                  watch(a.ref, {
                    down: ({ cause }) => Effect.sync(() => void downs.push(cause ? "failed" : "stopped"))
                  }),
                  {
                    Go: () => Effect.void
                  }
                )
            },
            permanent
          )
        ])
        yield* Effect.exit(b.ref.ask("Crash", undefined, within))
        yield* passTime("5 seconds")
        expect(yield* a.ref.ask("Ping", undefined, within)).toBe(2)
        yield* passTime("10 minutes")
        expect(yield* a.ref.ask("Ping", undefined, within)).toBe(2)
        expect((yield* handle.graph).map(({ state, restarts }) => [state, restarts])).toEqual([
          ["ready", 1],
          ["ready", 1]
        ])
        expect(downs).toEqual(["stopped"])
        yield* handle.stop("drain")
        expect(log.filter((line) => line === "a down")).toHaveLength(2)
      })
    ))
})

describe("parking", () => {
  it.each([
    ["rest_for_one", ["ready", "parked", "parked"]],
    ["one_for_all", ["parked", "parked", "parked"]],
    ["one_for_one", ["ready", "parked", "ready"]]
  ] as const)("under %s takes along whom a restart would", (strategy, states) =>
    withTestClock(
      Effect.gen(function* () {
        const log: Array<string> = []
        const intensity = { max: 1, within: "1 minute" } as const
        const { handle, ref } = yield* family(["a", "b", "c"], log, { strategy, onExhausted: "park", intensity })
        for (let n = 0; n < 2; n++) yield* crash(ref("b"))
        const graph = yield* handle.graph
        expect(graph.map((node) => node.state)).toEqual(states)
        for (const node of graph.filter((each) => each.state === "parked")) {
          expect(Cause.squash(node.parkedFor ?? Cause.empty)).toMatchObject({ message: "boom" })
          expect(yield* Effect.flip(ref(node.name).ask("Ping", undefined, within))).toMatchObject({ reason: "stopped" })
        }
        const ups = () => log.filter((line) => line.endsWith("up")).length
        const before = ups()
        yield* passTime("4 minutes")
        expect(ups()).toBe(before)
        // Parked for five minutes, and then tried again together.
        yield* passTime("2 minutes")
        expect(ups()).toBe(before + states.filter((state) => state === "parked").length)
        expect((yield* handle.graph).map((node) => node.state)).toEqual(["ready", "ready", "ready"])
        for (const name of ["a", "b", "c"]) yield* ref(name).ask("Ping", undefined, within)
        expect((yield* handle.stop("drain")).forced).toEqual([])
        expect(log.filter((line) => line.endsWith("down")).length).toBe(ups())
      })
    )
  )

  it("swallows the restart of those after it that were waiting for theirs", () =>
    withTestClock(
      Effect.gen(function* () {
        const log: Array<string> = []
        const intensity = { max: 1, within: "1 minute" } as const
        const { handle, ref } = yield* family(["a", "b"], log, {
          strategy: "rest_for_one",
          onExhausted: "park",
          intensity
        })
        yield* crash(ref("a"))
        yield* Effect.exit(ref("b").ask("Crash", undefined, within))
        yield* passTime(500)
        yield* Effect.exit(ref("a").ask("Crash", undefined, within))
        yield* passTime("1 minute")
        expect((yield* handle.graph).map((node) => node.state)).toEqual(["parked", "parked"])
        expect(log.at(-1)).toBe("a down")
      })
    ))
})

describe("the pause before a restart", () => {
  it("stays within its jitter and its maximum, and reaches both ends", () => {
    const spec = { initial: 1000, maximum: 60_000, factor: 2, resetAfter: "5 minutes" } as const
    fc.assert(
      fc.property(fc.nat(40), fc.double({ min: 0, max: 1, noNaN: true }), fc.nat(3), (attempt, chance, quarters) => {
        const jitter = quarters / 4
        const plain = pauseBefore(attempt, { ...spec, jitter: 0 }, chance)
        const pause = pauseBefore(attempt, { ...spec, jitter }, chance)
        expect(pause).toBeGreaterThanOrEqual(plain * (1 - jitter) - 1e-6)
        expect(pause).toBeLessThanOrEqual(Math.min(60_000, plain * (1 + jitter) + 1e-6))
      })
    )
    const at = (chance: number) => pauseBefore(0, { ...spec, jitter: 0.2 }, chance)
    expect([at(0), at(0.5), at(1)]).toEqual([800, 1000, 1200])
  })

  it("differs by chance, and is the same again with the same seed", async () => {
    const pauses = (seed: string) =>
      withTestClock(
        Effect.gen(function* () {
          const told: Array<RuntimeEvent> = []
          const sink = { publish: (event: RuntimeEvent) => void told.push(event), slowAfterMs: 1e9 }
          const spec = { backoff: { ...backoff, jitter: 0.5 }, intensity: { max: 100, within: "1 minute" } } as const
          const started = Effect.provideService(family(["a"], [], spec), RuntimeEvents, sink)
          const { ref } = yield* Random.withSeed(started, seed)
          for (let n = 0; n < 3; n++) yield* crash(ref("a"))
          return told.flatMap((event) => (event._tag === "Restarting" ? [event.afterMs] : []))
        })
      )
    const [one, again, other] = [await pauses("one"), await pauses("one"), await pauses("two")]
    expect(one).toEqual(again)
    expect(one).not.toEqual(other)
    for (const [n, pause] of one.entries()) expect(Math.abs(pause - 1000 * 2 ** n)).toBeLessThanOrEqual(500 * 2 ** n)
  })
})
