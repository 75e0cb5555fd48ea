/** What an asker can rely on: one end to every ask, at a time that is known. */
import { Clock, Deferred, Effect, Exit, Fiber, Scope } from "effect"
import { describe, expect, it } from "vitest"
import { start } from "../../src/runtime/actor.ts"
import type { Overflow } from "../../src/runtime/mailbox.ts"
import type { Ask, Tell } from "../../src/runtime/protocol.ts"
import { cellOf } from "../../src/runtime/ref.ts"
import { passTime, settled, withTestClock } from "../../src/testing/test-clock.ts"

type Adder = {
  readonly Add: Ask<number, number, "odd">
  readonly Wait: Ask<number, string>
  readonly Hang: Ask<void, void>
  readonly Crash: Ask<void, void>
  readonly Note: Tell<string>
}

const adder = (seen: Array<string> = []) => {
  let sum = 0
  return start<Adder, never, never>({
    name: "adder",
    mailbox: { capacity: 4, overflow: { policy: "block" } },
    behaviour: {
      init: () =>
        Effect.succeed({
          Add: (n) => (n % 2 === 1 ? Effect.fail("odd" as const) : Effect.sync(() => (sum += n))),
          Wait: (ms) =>
            Effect.as(Effect.sleep(ms), "waited").pipe(
              Effect.onInterrupt(() => Effect.sync(() => void seen.push("interrupted")))
            ),
          Hang: () => Effect.never,
          Crash: () => Effect.die(new Error("boom")),
          Note: (text) => Effect.sync(() => void seen.push(text))
        })
    }
  })
}
const within = { within: "1 second" } as const

describe("an ask", () => {
  it("keeps its time when the clock steps meanwhile", () =>
    withTestClock(
      Effect.gen(function* () {
        const clock = yield* Clock.Clock
        let wrongBy = 0
        const settable = { ...clock, currentTimeMillisUnsafe: () => clock.currentTimeMillisUnsafe() + wrongBy }
        const ref = yield* Effect.provideService(adder(), Clock.Clock, settable)
        const answered = yield* Effect.forkChild(ref.ask("Wait", 900, within))
        const refused = yield* Effect.forkChild(Effect.flip(ref.ask("Hang", undefined, within)))
        yield* settled
        wrongBy = 3_600_000
        yield* passTime("900 millis")
        expect(yield* Fiber.join(answered)).toBe("waited")
        wrongBy = -3_600_000
        yield* passTime("100 millis")
        expect(yield* Fiber.join(refused)).toMatchObject({ _tag: "AskTimeout" })
      })
    ))

  it("is answered, and refused, in the actor's words", () =>
    withTestClock(
      Effect.gen(function* () {
        const ref = yield* adder()
        expect(yield* ref.ask("Add", 2, within)).toBe(2)
        expect(yield* Effect.flip(ref.ask("Add", 3, within))).toBe("odd")
        expect(yield* ref.ask("Add", 4, within)).toBe(6)
      })
    ))

  it("ends with its deadline while it is handled, and the handler goes on", () =>
    withTestClock(
      Effect.gen(function* () {
        const seen: Array<string> = []
        const ref = yield* adder(seen)
        const asking = yield* Effect.forkChild(Effect.flip(ref.ask("Wait", 1500, within)))
        yield* passTime("1 second")
        expect(yield* Fiber.join(asking)).toMatchObject({ _tag: "AskTimeout", stage: "handling", withinMs: 1000 })
        yield* passTime("1 second")
        expect(seen).toEqual([])
        expect(cellOf(ref)).toMatchObject({ lateAnswers: 1, deadLetters: 1 })
      })
    ))

  it("that expires in the queue is never handled", () =>
    withTestClock(
      Effect.gen(function* () {
        const ref = yield* adder()
        yield* Effect.forkChild(Effect.exit(ref.ask("Wait", 5000, { within: "10 seconds" })))
        yield* settled
        const asking = yield* Effect.forkChild(Effect.flip(ref.ask("Add", 2, within)))
        yield* passTime("1 second")
        expect(yield* Fiber.join(asking)).toMatchObject({ _tag: "AskTimeout", stage: "queued" })
        yield* passTime("5 seconds")
        expect(yield* ref.ask("Add", 2, within)).toBe(2)
      })
    ))

  it("that expires in the very moment of its turn is never handled", () =>
    withTestClock(
      Effect.gen(function* () {
        const ref = yield* adder()
        yield* Effect.forkChild(Effect.exit(ref.ask("Wait", 1000, { within: "10 seconds" })))
        yield* settled
        const asking = yield* Effect.forkChild(Effect.flip(ref.ask("Add", 2, within)))
        yield* passTime("1 second")
        expect(yield* Fiber.join(asking)).toMatchObject({ _tag: "AskTimeout", stage: "queued" })
        expect(yield* ref.ask("Add", 2, within)).toBe(2)
      })
    ))

  it("interrupts the running handler when the asker is interrupted, and the actor goes on", () =>
    withTestClock(
      Effect.gen(function* () {
        const seen: Array<string> = []
        const ref = yield* adder(seen)
        const asking = yield* Effect.forkChild(ref.ask("Wait", 5000, { within: "10 seconds" }))
        yield* settled
        yield* Fiber.interrupt(asking)
        expect(seen).toEqual(["interrupted"])
        expect(yield* ref.ask("Add", 2, within)).toBe(2)
      })
    ))

  it("that is interrupted in the queue is never handled", () =>
    withTestClock(
      Effect.gen(function* () {
        const ref = yield* adder()
        yield* Effect.forkChild(Effect.exit(ref.ask("Wait", 500, within)))
        yield* settled
        const asking = yield* Effect.forkChild(ref.ask("Add", 2, within))
        yield* settled
        yield* Fiber.interrupt(asking)
        expect(cellOf(ref)?.mailbox.depth).toBe(0)
        yield* passTime(500)
        expect(yield* ref.ask("Add", 4, within)).toBe(4)
      })
    ))

  it("hears PeerDown at once when the actor is killed, however long the handler takes to clean up", () =>
    withTestClock(
      Effect.gen(function* () {
        type Worker = { readonly Work: Ask<void, void>; readonly Fail: Ask<void, void> }
        const ref = yield* start<Worker, never, never>({
          name: "worker",
          mailbox: { capacity: 4, overflow: { policy: "refuse" } },
          behaviour: {
            init: () =>
              Effect.succeed({
                Work: () => Effect.onInterrupt(Effect.never, () => Effect.sleep("20 seconds")),
                Fail: () => Effect.die(new Error("boom"))
              }),
            concurrent: { tags: ["Work", "Fail"], inFlight: 2 }
          }
        })
        const asking = yield* Effect.forkChild(Effect.flip(ref.ask("Work", undefined, { within: "1 minute" })))
        yield* settled
        yield* Effect.exit(ref.ask("Fail", undefined, within))
        yield* settled
        expect(asking.pollUnsafe()).toMatchObject({ value: { _tag: "PeerDown", message: "Work" } })
      })
    ))

  it("is answered with PeerDown at once when its handler crashes, and waiting ones are not left behind", () =>
    withTestClock(
      Effect.gen(function* () {
        const ref = yield* adder()
        const crash = yield* Effect.forkChild(Effect.flip(ref.ask("Crash", undefined, within)))
        const next = yield* Effect.forkChild(Effect.flip(ref.ask("Add", 2, within)))
        yield* settled
        expect(yield* Fiber.join(crash)).toMatchObject({ _tag: "PeerDown", message: "Crash" })
        expect(yield* Fiber.join(next)).toMatchObject({ _tag: "Undeliverable", reason: "stopped" })
      })
    ))

  it("ends when the actor's scope closes", () =>
    withTestClock(
      Effect.gen(function* () {
        const scope = yield* Scope.make()
        const ref = yield* Scope.provide(adder(), scope)
        const hanging = yield* Effect.forkChild(Effect.flip(ref.ask("Hang", undefined, { within: "1 hour" })))
        yield* settled
        const closed = yield* Deferred.make<void>()
        yield* Effect.forkChild(Effect.andThen(Scope.close(scope, Exit.void), Deferred.succeed(closed, undefined)))
        yield* passTime("5 seconds")
        expect(yield* Fiber.join(hanging)).toMatchObject({ _tag: "PeerDown" })
        yield* Deferred.await(closed)
        expect(yield* Effect.flip(ref.ask("Add", 2, within))).toMatchObject({ _tag: "Undeliverable" })
        expect(yield* ref.offer("Note", "late")).toBe("refused")
      })
    ))

  it("that is pushed out of a mailbox that drops its oldest is told so", () =>
    withTestClock(
      Effect.gen(function* () {
        const ref = yield* counter({ policy: "drop", which: "oldest" })
        const askers = yield* Effect.forEach([1, 2, 3], (n) =>
          Effect.forkChild(Effect.exit(ref.ask("Count", n, within)))
        )
        const answers = yield* Fiber.joinAll(askers)
        expect(answers).toMatchObject([{ _tag: "Failure" }, { _tag: "Failure" }, { value: 3 }])
      })
    ))

  it("is never replaced by another with the same key", () =>
    withTestClock(
      Effect.gen(function* () {
        const ref = yield* counter({ policy: "coalesce", key: (message) => message.tag }, 3)
        const askers = yield* Effect.forEach([1, 2, 3], (n) => Effect.forkChild(ref.ask("Count", n, within)))
        expect(yield* Fiber.joinAll(askers)).toEqual([1, 2, 3])
      })
    ))
})

type Counter = { readonly Count: Ask<number, number> }

const counter = (overflow: Overflow, capacity = 1) =>
  start<Counter, never, never>({
    name: "counter",
    mailbox: { capacity, overflow },
    behaviour: { init: () => Effect.succeed({ Count: (n) => Effect.succeed(n) }) }
  })
