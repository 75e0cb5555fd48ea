/** What a supervisor does, named by the moment at which a child dies. */
import { Cause, Effect, Exit, Fiber, Scope } from "effect"
import { describe, expect, it } from "vitest"
import { type Address, type ChildOptions, child } from "../../src/runtime/actor.ts"
import { passTime, settled, withTestClock } from "../../src/testing/test-clock.ts"
import { family, permanent, place, supervise, type Worker, within, worker } from "./family.ts"

describe("a supervisor", () => {
  it("starts in order and stops in reverse", () =>
    withTestClock(
      Effect.gen(function* () {
        const log: Array<string> = []
        const { handle } = yield* family(["a", "b", "c"], log)
        const report = yield* handle.stop("drain")
        expect(log).toEqual(["a up", "b up", "c up", "c down", "b down", "a down"])
        expect(report).toEqual({ clean: ["c", "b", "a"], forced: [], unhandled: 0 })
      })
    ))

  it("stops with the scope it was started in", () =>
    withTestClock(
      Effect.gen(function* () {
        const log: Array<string> = []
        const scope = yield* Scope.make()
        yield* Scope.provide(family(["a"], log), scope)
        yield* Scope.close(scope, Exit.void)
        expect(log).toEqual(["a up", "a down"])
      })
    ))
})

describe("a child that dies in init", () => {
  it("at first start fails the start, and those before it are stopped", () =>
    withTestClock(
      Effect.gen(function* () {
        const log: Array<string> = []
        const [a, b] = [yield* place("a"), yield* place("b")]
        const failing = worker(log, "b", { init: () => Effect.fail("no token") })
        const failure = yield* Effect.flip(
          supervise([child(a, worker(log, "a"), permanent), child(b, failing, permanent)])
        )
        expect(failure).toMatchObject({ _tag: "StartFailed", child: "b", cause: Cause.fail("no token") })
        expect(log).toEqual(["a up", "a down"])
        expect(yield* Effect.flip(a.ref.ask("Ping", undefined, within))).toMatchObject({ _tag: "Undeliverable" })
      })
    ))

  it("or hangs in it fails the start when the time is over", () =>
    withTestClock(
      Effect.gen(function* () {
        const a = yield* place("a")
        const hanging = worker([], "a", { init: () => Effect.never })
        const starting = yield* Effect.forkChild(
          Effect.flip(supervise([child(a, hanging, { restart: "permanent", startWithin: "3 seconds" })]))
        )
        yield* passTime("3 seconds")
        const failure = yield* Fiber.join(starting)
        expect(failure).toMatchObject({ _tag: "StartFailed", child: "a" })
      })
    ))

  it("of a restart is tried again, with longer and longer pauses", () =>
    withTestClock(
      Effect.gen(function* () {
        const log: Array<string> = []
        const a = yield* place("a")
        const flaky = worker(log, "a", {
          init: (incarnation) =>
            incarnation === 2 || incarnation === 3
              ? Effect.andThen(
                  Effect.sync(() => log.push(`try ${incarnation}`)),
                  Effect.fail("no")
                )
              : Effect.void
        })
        yield* supervise([child(a, flaky, permanent)])
        yield* passTime("2 minutes")
        yield* Effect.exit(a.ref.ask("Crash", undefined, within))
        yield* passTime("1 second")
        expect(log).toEqual(["a up", "a down", "try 2"])
        yield* passTime("1 second")
        expect(log).toEqual(["a up", "a down", "try 2"])
        yield* passTime("1 second")
        expect(log.at(-1)).toBe("try 3")
        yield* passTime("4 seconds")
        expect(log.at(-1)).toBe("a up")
        expect(yield* a.ref.ask("Ping", undefined, within)).toBe(4)
      })
    ))
})

describe("a child that dies in a handler", () => {
  it("answers PeerDown at once, and its ref works again after the restart", () =>
    withTestClock(
      Effect.gen(function* () {
        const { ref } = yield* family(["a"], [])
        expect(yield* Effect.flip(ref("a").ask("Crash", undefined, within))).toMatchObject({ _tag: "PeerDown" })
        const asking = yield* Effect.forkChild(ref("a").ask("Ping", undefined, within))
        yield* passTime("1 second")
        expect(yield* Fiber.join(asking)).toBe(2)
      })
    ))

  it("takes those after it along under rest_for_one, and nobody under one_for_one", () =>
    withTestClock(
      Effect.gen(function* () {
        const rest: Array<string> = []
        const one: Array<string> = []
        const first = yield* family(["a", "b", "c"], rest, { strategy: "rest_for_one" })
        const second = yield* family(["d", "e"], one)
        yield* Effect.exit(first.ref("b").ask("Crash", undefined, within))
        yield* Effect.exit(second.ref("d").ask("Crash", undefined, within))
        yield* passTime("1 second")
        expect(rest.slice(3)).toEqual(["b down", "c down", "b up", "c up"])
        expect(one.slice(2)).toEqual(["d down", "d up"])
      })
    ))

  it("takes all along under one_for_all", () =>
    withTestClock(
      Effect.gen(function* () {
        const log: Array<string> = []
        const { ref } = yield* family(["a", "b", "c"], log, { strategy: "one_for_all" })
        yield* Effect.exit(ref("b").ask("Crash", undefined, within))
        yield* passTime("1 second")
        expect(log.slice(3)).toEqual(["b down", "c down", "a down", "a up", "b up", "c up"])
      })
    ))

  it("while another waits to be restarted is restarted by its own pause", () =>
    withTestClock(
      Effect.gen(function* () {
        const log: Array<string> = []
        const { ref } = yield* family(["a", "b"], log)
        yield* Effect.exit(ref("a").ask("Crash", undefined, within))
        yield* passTime(600)
        yield* Effect.exit(ref("b").ask("Crash", undefined, within))
        yield* passTime(400)
        expect(log.slice(2)).toEqual(["a down", "b down", "a up"])
        yield* passTime(600)
        expect(log.at(-1)).toBe("b up")
      })
    ))

  it("before one that waits to be restarted takes it over under rest_for_one", () =>
    withTestClock(
      Effect.gen(function* () {
        const log: Array<string> = []
        const { ref } = yield* family(["a", "b", "c"], log, { strategy: "rest_for_one" })
        yield* Effect.exit(ref("c").ask("Crash", undefined, within))
        yield* passTime(600)
        yield* Effect.exit(ref("a").ask("Crash", undefined, within))
        yield* passTime(999)
        expect(log.slice(3)).toEqual(["c down", "a down", "b down"])
        yield* passTime(1)
        expect(log.slice(6)).toEqual(["a up", "b up", "c up"])
      })
    ))

  it("keeps what waits in its mailbox, or buries it if so declared", () =>
    withTestClock(
      Effect.gen(function* () {
        const log: Array<string> = []
        const [kept, buried] = [yield* place("kept"), yield* place("buried")]
        const handle = yield* supervise([
          child(kept, worker(log, "kept"), permanent),
          child(buried, worker(log, "buried"), { restart: "permanent", onRestart: "deadLetter" })
        ])
        for (const { ref } of [kept, buried]) {
          yield* Effect.forkChild(Effect.exit(ref.ask("Crash", undefined, within)))
          yield* settled
          yield* ref.tell("Note", `note to ${ref.name}`)
        }
        yield* passTime("1 second")
        expect(log).toContain("note to kept")
        expect(log).not.toContain("note to buried")
        expect((yield* handle.graph).map((node) => node.deadLetters)).toEqual([0, 1])
      })
    ))
})

describe("a child that dies too often", () => {
  const crash = (ref: Address<Worker>["ref"]) =>
    Effect.andThen(Effect.exit(ref.ask("Crash", undefined, within)), passTime("10 seconds"))

  it("makes the supervisor give up, stop the others and say why", () =>
    withTestClock(
      Effect.gen(function* () {
        const log: Array<string> = []
        const { handle, ref } = yield* family(["a", "b"], log)
        for (let n = 0; n < 4; n++) yield* crash(ref("b"))
        const exit = yield* handle.awaitExit
        expect(exit).toMatchObject({ _tag: "GaveUp", child: "b" })
        expect(log.at(-1)).toBe("a down")
        expect(yield* Effect.flip(ref("a").ask("Ping", undefined, within))).toMatchObject({ reason: "stopped" })
      })
    ))

  it("is parked with the reason, and the others go on", () =>
    withTestClock(
      Effect.gen(function* () {
        const { handle, ref } = yield* family(["a", "b"], [], { onExhausted: "park" })
        for (let n = 0; n < 4; n++) yield* crash(ref("b"))
        expect(yield* Effect.flip(ref("b").ask("Ping", undefined, within))).toMatchObject({ reason: "stopped" })
        expect(yield* ref("a").ask("Ping", undefined, within)).toBe(1)
        const node = (yield* handle.graph).find((each) => each.name === "b")
        expect(node).toMatchObject({ state: "parked", restarts: 3 })
        expect(Cause.squash(node?.parkedFor ?? Cause.empty)).toMatchObject({ message: "boom" })
      })
    ))

  it("over a longer time is only restarted: the window slides", () =>
    withTestClock(
      Effect.gen(function* () {
        const { ref } = yield* family(["a"], [])
        for (let n = 0; n < 8; n++) {
          yield* crash(ref("a"))
          yield* passTime("20 seconds")
        }
        expect(yield* ref("a").ask("Ping", undefined, within)).toBe(9)
      })
    ))

  it("has its pause reset after a stable time", () =>
    withTestClock(
      Effect.gen(function* () {
        const { ref } = yield* family(["a"], [], { intensity: { max: 100, within: "1 minute" } })
        const pauses: Array<number> = []
        const measure = Effect.gen(function* () {
          yield* Effect.exit(ref("a").ask("Crash", undefined, within))
          const asking = yield* Effect.forkChild(ref("a").ask("Ping", undefined, within))
          let seconds = 0
          while (asking.pollUnsafe() === undefined) {
            yield* passTime("1 second")
            seconds += 1
          }
          pauses.push(seconds)
        })
        for (let n = 0; n < 5; n++) yield* measure
        yield* passTime("1 minute")
        yield* measure
        expect(pauses).toEqual([1, 2, 4, 8, 8, 1])
      })
    ))

  it("can be told never to be restarted for a cause", () =>
    withTestClock(
      Effect.gen(function* () {
        const a = yield* place("a")
        const options: ChildOptions = { restart: "permanent", decide: () => "stop" }
        const handle = yield* supervise([child(a, worker([], "a"), options)])
        yield* Effect.exit(a.ref.ask("Crash", undefined, within))
        yield* passTime("1 minute")
        expect(yield* handle.graph).toMatchObject([{ state: "parked", restarts: 0 }])
      })
    ))
})

describe("a child that dies in a task", () => {
  it("is restarted, and the message it was handling is answered with PeerDown", () =>
    withTestClock(
      Effect.gen(function* () {
        const { ref } = yield* family(["a"], [])
        yield* ref("a").tell("CrashLater", 500)
        const waiting = yield* Effect.forkChild(Effect.flip(ref("a").ask("Wait", 5000, within)))
        yield* passTime(500)
        expect(yield* Fiber.join(waiting)).toMatchObject({ _tag: "PeerDown", message: "Wait" })
        yield* passTime("1 second")
        expect(yield* ref("a").ask("Ping", undefined, within)).toBe(2)
      })
    ))
})

describe("a child that ends without failing", () => {
  it("has failed when it is permanent, and is done when it is transient or temporary", () =>
    withTestClock(
      Effect.gen(function* () {
        const places = [yield* place("permanent"), yield* place("transient"), yield* place("temporary")] as const
        const handle = yield* supervise(
          places.map((each) => child(each, worker([], each.ref.name), { restart: each.ref.name } as ChildOptions))
        )
        for (const { ref } of places) yield* ref.tell("Finish", undefined)
        yield* passTime("5 seconds")
        expect((yield* handle.graph).map((node) => node.state)).toEqual(["ready", "stopped", "stopped"])
        expect(yield* places[0].ref.ask("Ping", undefined, within)).toBe(2)
      })
    ))
})

describe("a child that dies while it is stopped", () => {
  it("in a finalizer is reported as not clean", () =>
    withTestClock(
      Effect.gen(function* () {
        const a = yield* place("a")
        const handle = yield* supervise([child(a, worker([], "a", { release: Effect.die("finalizer") }), permanent)])
        expect(yield* handle.stop("drain")).toMatchObject({ clean: [], forced: ["a"] })
      })
    ))

  it("or is too slow is interrupted, and what was left is counted", () =>
    withTestClock(
      Effect.gen(function* () {
        const { handle, ref } = yield* family(["a"], [])
        const waiting = yield* Effect.forkChild(Effect.flip(ref("a").ask("Wait", 60_000, { within: "1 hour" })))
        yield* settled
        yield* ref("a").tell("Note", "left")
        const stopping = yield* Effect.forkChild(handle.stop("drain"))
        yield* passTime("5 seconds")
        expect(yield* Fiber.join(stopping)).toEqual({ clean: [], forced: ["a"], unhandled: 1 })
        expect(yield* Fiber.join(waiting)).toMatchObject({ _tag: "PeerDown" })
      })
    ))

  it("finishes what it accepted when drained, and refuses what comes after", () =>
    withTestClock(
      Effect.gen(function* () {
        const log: Array<string> = []
        const { handle, ref } = yield* family(["a"], log)
        yield* Effect.forkChild(Effect.exit(ref("a").ask("Wait", 2000, within)))
        yield* settled
        yield* ref("a").tell("Note", "before")
        const stopping = yield* Effect.forkChild(handle.stop("drain"))
        yield* settled
        expect(yield* ref("a").offer("Note", "after")).toBe("refused")
        yield* passTime("2 seconds")
        expect(yield* Fiber.join(stopping)).toEqual({ clean: ["a"], forced: [], unhandled: 0 })
        expect(log).toEqual(["a up", "before", "a down"])
      })
    ))

  it("is hurried by a second stop", () =>
    withTestClock(
      Effect.gen(function* () {
        const { handle, ref } = yield* family(["a", "b"], [])
        yield* Effect.forkChild(Effect.exit(ref("a").ask("Wait", 60_000, { within: "1 hour" })))
        yield* settled
        const first = yield* Effect.forkChild(handle.stop("drain"))
        yield* settled
        expect(yield* handle.stop("now")).toEqual(yield* Fiber.join(first))
      })
    ))

  it("has hung in its finalizer cannot block its restart", () =>
    withTestClock(
      Effect.gen(function* () {
        const a = yield* place("a")
        let hangs = true
        const release = Effect.suspend(() => (hangs ? Effect.never : Effect.void))
        yield* supervise([child(a, worker([], "a", { release }), permanent)])
        yield* Effect.exit(a.ref.ask("Crash", undefined, within))
        hangs = true
        yield* passTime("31 seconds")
        hangs = false
        expect(yield* a.ref.ask("Ping", undefined, within)).toBe(2)
      })
    ))
})
