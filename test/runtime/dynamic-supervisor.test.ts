/** Children that come and go under one supervisor, whatever starts and stops do. */
import { Effect, Exit, Fiber, Scope } from "effect"
import { describe, expect, it } from "vitest"
import { type ChildOptions, child } from "../../src/runtime/actor.ts"
import { type RuntimeEvent, RuntimeEvents } from "../../src/runtime/events.ts"
import type { DynamicSupervisorSpec } from "../../src/runtime/supervision.ts"
import { Supervisor } from "../../src/runtime/supervisor.ts"
import { passTime, withTestClock } from "../../src/testing/test-clock.ts"
import { backoff, permanent, place, within, worker } from "./family.ts"

const dynamic = (options: Partial<DynamicSupervisorSpec> = {}) =>
  Supervisor.dynamic({
    name: "tokens",
    intensity: { max: 2, within: "1 minute" },
    backoff,
    onExhausted: "park",
    ...options
  })

const one = (
  name: string,
  log: Array<string>,
  options: Partial<ChildOptions> = {},
  extra: Parameters<typeof worker>[2] = {}
) =>
  Effect.map(place(name), (address) => ({
    ref: address.ref,
    spec: child(address, worker(log, name, extra), { ...permanent, ...options })
  }))

const states = (handle: Effect.Success<ReturnType<typeof dynamic>>) =>
  Effect.map(handle.graph, (nodes) => nodes.map(({ name, state, supervisor }) => [supervisor, name, state]))

describe("a dynamic supervisor", () => {
  it("starts a child that is added, restarts it alone, and forgets it when it is removed", () =>
    withTestClock(
      Effect.gen(function* () {
        const log: Array<string> = []
        const handle = yield* dynamic()
        const a = yield* one("a", log)
        const b = yield* one("b", log)
        yield* handle.add(a.spec)
        yield* handle.add(b.spec)
        yield* Effect.exit(a.ref.ask("Crash", undefined, within))
        yield* passTime("1 second")
        expect(yield* a.ref.ask("Ping", undefined, within)).toBe(2)
        expect(yield* b.ref.ask("Ping", undefined, within)).toBe(1)
        expect(yield* handle.remove("a")).toMatchObject({ clean: ["a"] })
        expect(yield* states(handle)).toEqual([["tokens", "b", "ready"]])
        expect(yield* Effect.flip(a.ref.ask("Ping", undefined, within))).toMatchObject({ reason: "stopped" })
        const again = yield* one("a", log)
        yield* handle.add(again.spec)
        expect(yield* again.ref.ask("Ping", undefined, within)).toBe(1)
      })
    ))

  it("refuses a name or an address twice, and every child once it has stopped", () =>
    withTestClock(
      Effect.gen(function* () {
        const handle = yield* dynamic()
        const a = yield* one("a", [])
        yield* handle.add(a.spec)
        expect(yield* Effect.flip(handle.add(a.spec))).toMatchObject({ reason: "occupied" })
        expect(yield* Effect.flip(handle.add((yield* one("a", [])).spec))).toMatchObject({ reason: "occupied" })
        yield* handle.stop("drain")
        expect(yield* Effect.flip(handle.add((yield* one("b", [])).spec))).toMatchObject({ reason: "stopped" })
      })
    ))

  it("leaves nothing of a child that does not get ready", () =>
    withTestClock(
      Effect.gen(function* () {
        const log: Array<string> = []
        const handle = yield* dynamic()
        const a = yield* one("a", log, {}, { init: () => Effect.fail("no") })
        expect(yield* Effect.flip(handle.add(a.spec))).toMatchObject({ _tag: "StartFailed", child: "a" })
        expect(yield* states(handle)).toEqual([])
        yield* passTime("1 hour")
        expect(log).toEqual([])
      })
    ))

  it("leaves nothing of a child whose starter is interrupted at its birth", () =>
    withTestClock(
      Effect.gen(function* () {
        const log: Array<string> = []
        const handle = yield* dynamic()
        const a = yield* one("a", log, {}, { init: () => Effect.sleep("5 seconds") })
        const adding = yield* Effect.forkChild(handle.add(a.spec), { startImmediately: true })
        yield* passTime("1 second")
        yield* Fiber.interrupt(adding)
        expect(yield* states(handle)).toEqual([])
        yield* passTime("1 hour")
        expect(log).toEqual([])
      })
    ))

  it("stops a child in the middle of its start, and its adder hears of it", () =>
    withTestClock(
      Effect.gen(function* () {
        const log: Array<string> = []
        const scope = yield* Scope.make()
        const handle = yield* Scope.provide(dynamic(), scope)
        const a = yield* one("a", log, {}, { init: () => Effect.sleep("5 seconds") })
        const adding = yield* Effect.forkChild(Effect.flip(handle.add(a.spec)), { startImmediately: true })
        yield* passTime("1 second")
        yield* Scope.close(scope, Exit.void)
        expect(yield* Fiber.join(adding)).toMatchObject({ reason: "stopped" })
        yield* passTime("1 hour")
        expect(log).toEqual([])
      })
    ))

  it("forgets a temporary child that has failed, and a transient one that is done", () =>
    withTestClock(
      Effect.gen(function* () {
        const handle = yield* dynamic()
        const a = yield* one("a", [], { restart: "temporary" })
        const b = yield* one("b", [], { restart: "transient" })
        yield* handle.add(a.spec)
        yield* handle.add(b.spec)
        yield* Effect.exit(a.ref.ask("Crash", undefined, within))
        yield* b.ref.tell("Finish", undefined)
        yield* passTime("1 second")
        expect(yield* states(handle)).toEqual([])
      })
    ))

  it("parks a child that keeps failing for five minutes, and the others go on", () =>
    withTestClock(
      Effect.gen(function* () {
        const handle = yield* dynamic()
        const a = yield* one("a", [])
        const b = yield* one("b", [])
        yield* handle.add(a.spec)
        yield* handle.add(b.spec)
        for (let n = 0; n < 3; n++) {
          yield* Effect.exit(a.ref.ask("Crash", undefined, within))
          yield* passTime("8 seconds")
        }
        expect(yield* states(handle)).toEqual([
          ["tokens", "a", "parked"],
          ["tokens", "b", "ready"]
        ])
        yield* passTime("5 minutes")
        expect(yield* a.ref.ask("Ping", undefined, within)).toBe(4)
        expect(yield* b.ref.ask("Ping", undefined, within)).toBe(1)
      })
    ))

  it("tells that a parked child stops with it, as those that ran do", () =>
    withTestClock(
      Effect.gen(function* () {
        const events: Array<string> = []
        const publish = ({ _tag, actor }: RuntimeEvent) => void events.push(`${actor}: ${_tag}`)
        const sink = { publish, slowAfterMs: Number.POSITIVE_INFINITY }
        const around = Effect.provideService(RuntimeEvents, sink)
        const handle = yield* around(dynamic())
        const a = yield* around(one("a", []))
        const b = yield* around(one("b", []))
        yield* handle.add(a.spec)
        yield* handle.add(b.spec)
        for (let n = 0; n < 3; n++) {
          yield* Effect.exit(a.ref.ask("Crash", undefined, within))
          yield* passTime("8 seconds")
        }
        expect(events.at(-1)).toBe("a: GaveUp")
        yield* handle.stop("drain")
        expect(events.slice(-2).toSorted()).toEqual(["a: Stopped", "b: Stopped"])
      })
    ))

  it("counts the failures of all together when it escalates, and stops them all", () =>
    withTestClock(
      Effect.gen(function* () {
        const log: Array<string> = []
        const handle = yield* dynamic({ onExhausted: "escalate" })
        const [a, b] = [yield* one("a", log), yield* one("b", log)]
        yield* handle.add(a.spec)
        yield* handle.add(b.spec)
        for (const { ref } of [a, b, a]) {
          yield* Effect.exit(ref.ask("Crash", undefined, within))
          yield* passTime("2 seconds")
        }
        expect(yield* handle.awaitExit).toMatchObject({ _tag: "GaveUp", child: "a" })
        expect(yield* states(handle)).toEqual([])
      })
    ))
})
