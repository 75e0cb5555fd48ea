/** An actor from within: whose turn it is, what it inherits, what it watches, what it tells the outside. */
import { Cause, Deferred, Effect, Exit, Fiber, References, Scope, Tracer } from "effect"
import { describe, expect, it } from "vitest"
import { address, type Behaviour, child, start } from "../../src/runtime/actor.ts"
import { type RuntimeEvent, RuntimeEvents } from "../../src/runtime/events.ts"
import { CurrentDeadline } from "../../src/runtime/internal/envelope.ts"
import { observe } from "../../src/runtime/observe.ts"
import type { ActorRef, Ask, Protocol, Tell } from "../../src/runtime/protocol.ts"
import { Supervisor } from "../../src/runtime/supervisor.ts"
import { passTime, settled, withTestClock } from "../../src/testing/test-clock.ts"

const within = { within: "10 seconds" } as const
const refuse = (capacity: number) => ({ capacity, overflow: { policy: "refuse" } }) as const

const lone = <P extends Protocol, E>(
  name: string,
  init: Behaviour<P, E>["init"],
  more: Partial<Behaviour<P, E>> = {}
) => start<P, E, never>({ name, mailbox: refuse(8), behaviour: { init, ...more } })

type Sleeper = { readonly Sleep: Ask<number, number>; readonly Note: Tell<string> }

const sleeper = (log: Array<string> = []) =>
  lone<Sleeper, never>("sleeper", () =>
    Effect.succeed({
      Sleep: (ms) =>
        Effect.as(Effect.sleep(ms), ms).pipe(
          Effect.onInterrupt(() => Effect.sync(() => void log.push(`interrupted ${ms}`)))
        ),
      Note: (text) => Effect.sync(() => void log.push(text))
    })
  )

type Front = { readonly Pass: Ask<number, string> }

/** Asks the actor behind it with a long limit of its own, and says how that ended. */
const front = (behind: ActorRef<Sleeper>, log: Array<string>) =>
  lone<Front, never>("front", () =>
    Effect.succeed({
      Pass: (ms) =>
        Effect.match(behind.ask("Sleep", ms, { within: "1 hour" }), {
          onSuccess: () => "slept",
          onFailure: (failure) => {
            log.push(`${failure._tag} at the front`)
            return failure._tag
          }
        })
    })
  )

describe("a message that is being handled", () => {
  it("hands its deadline on to the asks made for it", () =>
    withTestClock(
      Effect.gen(function* () {
        const log: Array<string> = []
        const outer = yield* front(yield* sleeper(), log)
        const asking = yield* Effect.forkChild(Effect.flip(outer.ask("Pass", 60_000, { within: "2 seconds" })))
        yield* passTime("2 seconds")
        expect(yield* Fiber.join(asking)).toMatchObject({ _tag: "AskTimeout", actor: "front" })
        expect(log).toEqual(["AskTimeout at the front"])
      })
    ))

  it("hands its cancellation on as well", () =>
    withTestClock(
      Effect.gen(function* () {
        const log: Array<string> = []
        const outer = yield* front(yield* sleeper(log), log)
        const asking = yield* Effect.forkChild(outer.ask("Pass", 60_000, within))
        yield* settled
        yield* Fiber.interrupt(asking)
        yield* settled
        expect(log).toEqual(["interrupted 60000"])
      })
    ))

  it("does not limit a task it begins", () =>
    withTestClock(
      Effect.gen(function* () {
        const log: Array<string> = []
        const behind = yield* sleeper()
        const ref = yield* lone<Front, never>("front", (context) =>
          Effect.succeed({
            Pass: (ms) => {
              const later = Effect.map(behind.ask("Sleep", ms, { within: "1 hour" }), (slept) =>
                log.push(`slept ${slept}`)
              )
              return Effect.as(context.task("later", later), "begun")
            }
          })
        )
        yield* ref.ask("Pass", 5000, { within: "1 second" })
        yield* passTime("5 seconds")
        expect(log).toEqual(["slept 5000"])
      })
    ))

  it("does not limit an actor that is started for it", () =>
    withTestClock(
      Effect.gen(function* () {
        const scope = yield* Scope.make()
        const deadlines: Array<number> = []
        const below = lone<Sleeper, never>("below", () =>
          Effect.map(CurrentDeadline, (deadline) => {
            deadlines.push(deadline)
            return { Sleep: (ms) => Effect.succeed(ms), Note: () => Effect.void }
          })
        )
        const ref = yield* lone<Front, never>("front", () =>
          Effect.succeed({ Pass: () => Effect.as(Scope.provide(below, scope), "started") })
        )
        yield* ref.ask("Pass", 1, within)
        expect(deadlines).toEqual([Number.POSITIVE_INFINITY])
        yield* Scope.close(scope, Exit.void)
      })
    ))
})

describe("a turn", () => {
  it("goes to a signal before messages that came earlier", () =>
    withTestClock(
      Effect.gen(function* () {
        const log: Array<string> = []
        const scope = yield* Scope.make()
        const watched = yield* Scope.provide(sleeper(), scope)
        const ref = yield* lone<Sleeper, never>("watcher", (context) =>
          Effect.as(
            context.watch(watched, { down: (down) => Effect.sync(() => void log.push(`${down.actor} is down`)) }),
            { Sleep: (ms) => Effect.as(Effect.sleep(ms), ms), Note: (text) => Effect.sync(() => void log.push(text)) }
          )
        )
        yield* Effect.forkChild(Effect.exit(ref.ask("Sleep", 1000, within)))
        yield* settled
        yield* ref.tell("Note", "sent before")
        yield* Scope.close(scope, Exit.void)
        yield* passTime("1 second")
        expect(log).toEqual(["sleeper is down", "sent before"])
      })
    ))

  it("of a router is over when the handler has begun, for as many as it may have in flight", () =>
    withTestClock(
      Effect.gen(function* () {
        const begun: Array<number> = []
        const ref = yield* lone<Sleeper, never>(
          "router",
          () =>
            Effect.succeed({
              Sleep: (ms) =>
                Effect.andThen(
                  Effect.sync(() => begun.push(ms)),
                  Effect.as(Effect.sleep(ms), ms)
                ),
              Note: () => Effect.void
            }),
          { concurrent: { tags: ["Sleep"], inFlight: 2 } }
        )
        const asks = [3000, 1000, 1001].map((ms) => Effect.forkChild(ref.ask("Sleep", ms, within)))
        const askers = yield* Effect.all(asks)
        yield* settled
        expect(begun).toEqual([3000, 1000])
        yield* passTime("1 second")
        expect(begun).toEqual([3000, 1000, 1001])
        yield* passTime("2 seconds")
        expect(yield* Fiber.joinAll(askers)).toEqual([3000, 1000, 1001])
      })
    ))

  it("of a router without a number of its own is bounded by its mailbox: waiting and at work together", () =>
    withTestClock(
      Effect.gen(function* () {
        const ref = yield* start<Sleeper, never, never>({
          name: "router",
          mailbox: refuse(2),
          behaviour: {
            concurrent: { tags: ["Sleep"] },
            init: () => Effect.succeed({ Sleep: (ms) => Effect.as(Effect.sleep(ms), ms), Note: () => Effect.void })
          }
        })
        const ask = (ms: number) => Effect.exit(ref.ask("Sleep", ms, within))
        const asks = yield* Effect.all([1000, 2000].map((ms) => Effect.forkChild(ask(ms))))
        yield* settled
        expect((yield* ask(1))._tag).toBe("Failure")
        yield* passTime("1 second")
        const last = yield* Effect.forkChild(ask(1000))
        yield* passTime("1 second")
        expect((yield* Fiber.joinAll([...asks, last])).map(({ _tag }) => _tag)).toEqual([
          "Success",
          "Success",
          "Success"
        ])
      })
    ))

  it("of a router does not wait for a hung message to answer another", () =>
    withTestClock(
      Effect.gen(function* () {
        type Mixed = { readonly Hang: Ask<void, void>; readonly Ping: Ask<void, string> }
        const ref = yield* lone<Mixed, never>(
          "router",
          () => Effect.succeed({ Hang: () => Effect.never, Ping: () => Effect.succeed("pong") }),
          { concurrent: { tags: ["Hang"], inFlight: 4 } }
        )
        yield* Effect.forkChild(Effect.exit(ref.ask("Hang", undefined, within)))
        yield* settled
        expect(yield* ref.ask("Ping", undefined, within)).toBe("pong")
      })
    ))
})

describe("watching", () => {
  it("tells of every end, with its cause, and of every return", () =>
    withTestClock(
      Effect.gen(function* () {
        const log: Array<string> = []
        type Fragile = { readonly Crash: Ask<void, void> }
        const place = yield* address<Fragile>({ name: "fragile", mailbox: refuse(1) })
        const fragile: Behaviour<Fragile> = { init: () => Effect.succeed({ Crash: () => Effect.die("boom") }) }
        yield* lone<Sleeper, never>("watcher", (context) =>
          Effect.as(
            context.watch(place.ref, {
              down: (down) => Effect.sync(() => void log.push(`down: ${Cause.squash(down.cause ?? Cause.empty)}`)),
              up: () => Effect.sync(() => void log.push("up"))
            }),
            { Sleep: (ms) => Effect.succeed(ms), Note: () => Effect.void }
          )
        )
        yield* Supervisor.start({
          name: "root",
          strategy: "one_for_one",
          intensity: { max: 5, within: "1 minute" },
          backoff: { initial: 10, maximum: 10, factor: 1, jitter: 0, resetAfter: "1 minute" },
          onExhausted: "escalate",
          children: [child(place, fragile, { restart: "permanent" })]
        })
        yield* Effect.exit(place.ref.ask("Crash", undefined, within))
        yield* passTime(10)
        expect(log).toEqual(["up", "down: boom", "up"])
      })
    ))

  it("of an actor that has stopped for good tells at once", () =>
    withTestClock(
      Effect.gen(function* () {
        const scope = yield* Scope.make()
        const gone = yield* Scope.provide(sleeper(), scope)
        yield* Scope.close(scope, Exit.void)
        const told = yield* Deferred.make<string>()
        yield* lone<Sleeper, never>("watcher", (context) =>
          Effect.as(context.watch(gone, { down: (down) => Effect.asVoid(Deferred.succeed(told, down.actor)) }), {
            Sleep: (ms) => Effect.succeed(ms),
            Note: () => Effect.void
          })
        )
        expect(yield* Deferred.await(told)).toBe("sleeper")
      })
    ))
})

describe("an actor on its own", () => {
  it("fails to start with what its init fails with", () =>
    withTestClock(
      Effect.gen(function* () {
        expect(yield* Effect.flip(lone<Sleeper, "no token">("a", () => Effect.fail("no token" as const)))).toBe(
          "no token"
        )
      })
    ))

  it("whose start is interrupted releases what it had acquired", () =>
    withTestClock(
      Effect.gen(function* () {
        const log: Array<string> = []
        const acquired = Effect.acquireRelease(
          Effect.sync(() => log.push("open")),
          () => Effect.sync(() => log.push("closed"))
        )
        const scope = yield* Scope.make()
        const starting = yield* Effect.forkChild(
          Scope.provide(
            lone<Sleeper, never>("a", () => Effect.andThen(acquired, Effect.never)),
            scope
          )
        )
        yield* settled
        yield* Fiber.interrupt(starting)
        const closing = yield* Effect.forkChild(Scope.close(scope, Exit.void))
        yield* passTime("5 seconds")
        yield* Fiber.join(closing)
        expect(log).toEqual(["open", "closed"])
      })
    ))
})

describe("the outside", () => {
  it("sees each hop as a span under the sender's, with the message's name and never its payload", () =>
    withTestClock(
      Effect.gen(function* () {
        const spans: Array<Tracer.Span> = []
        const tracer = Tracer.make({
          span: (options) => {
            const span = new Tracer.NativeSpan(options)
            spans.push(span)
            return span
          }
        })
        const whole = Effect.gen(function* () {
          const outer = yield* front(yield* sleeper(), [])
          yield* Effect.forkChild(outer.ask("Pass", 1, within)).pipe(Effect.withSpan("user"))
          yield* passTime(1)
        })
        yield* Effect.provideService(whole, Tracer.Tracer, tracer)
        const path = spans.map((span) => [span.name, span.attributes.get("actor"), span.attributes.get("message")])
        expect(path).toEqual([
          ["user", undefined, undefined],
          ["actor.receive", "front", "Pass"],
          ["actor.receive", "sleeper", "Sleep"]
        ])
        expect(spans.slice(1).map((span) => span.parent)).toMatchObject([{ value: spans[0] }, { value: spans[1] }])
        expect(spans.slice(1).map((span) => [...span.attributes.keys()])).toEqual([
          ["actor", "message"],
          ["actor", "message"]
        ])
        expect(spans.slice(1).every((span) => span.status._tag === "Ended")).toBe(true)
      })
    ))

  it("sees no spans when tracing is off", () =>
    withTestClock(
      Effect.gen(function* () {
        const ref = yield* lone<Front, never>("a", () =>
          Effect.succeed({ Pass: () => Effect.map(Effect.option(Effect.currentSpan), (span) => span._tag) })
        )
        expect(yield* ref.ask("Pass", 1, within)).toBe("None")
      }).pipe(Effect.provideService(References.TracerEnabled, false))
    ))

  it("hears of a handler that hangs, once, and of its end when the asker gives up", () =>
    withTestClock(
      Effect.gen(function* () {
        const told: Array<RuntimeEvent> = []
        const sink = { publish: (event: RuntimeEvent) => void told.push(event), slowAfterMs: 500 }
        const scope = yield* Scope.make()
        const ref = yield* Scope.provide(sleeper(), scope).pipe(Effect.provideService(RuntimeEvents, sink))
        yield* ref.ask("Sleep", 499, within).pipe(Effect.forkChild)
        yield* passTime(499)
        const asking = yield* Effect.forkChild(Effect.exit(ref.ask("Sleep", 1e9, { within: "100 days" })))
        yield* passTime("1 hour")
        const slow = told.filter((event) => event._tag === "Slow")
        expect(slow).toMatchObject([{ actor: "sleeper", message: "Sleep", stage: "handling", tookMs: 500 }])
        yield* Fiber.interrupt(asking)
        expect(told.at(-1)).toMatchObject({ _tag: "Slow", stage: "done", tookMs: 3_600_000 })
        const count = told.length
        yield* passTime("1 hour")
        expect(told.length).toBe(count)
        yield* Scope.close(scope, Exit.void)
      })
    ))

  it("hears of what happens to actors, and of slow and dead letters", () =>
    withTestClock(
      Effect.gen(function* () {
        const told: Array<string> = []
        const { channel, around } = observe({ slowAfterMs: 1000 })
        const describeEvent = (event: RuntimeEvent) => {
          if (event._tag === "Slow") return `${event._tag}: ${event.stage}, ${event.tookMs} ms`
          return "why" in event ? `${event._tag}: ${event.why}` : event._tag
        }
        yield* channel.subscribe({ capacity: 64, overflow: "dropOldest" }, (event) =>
          Effect.sync(() => void told.push(describeEvent(event)))
        )
        const scope = yield* Scope.make()
        const ref = yield* around(Scope.provide(sleeper(), scope))
        yield* Effect.forkChild(Effect.exit(ref.ask("Sleep", 2000, { within: "1 second" })))
        yield* passTime("2 seconds")
        yield* Scope.close(scope, Exit.void)
        yield* settled
        const slow = ["Slow: handling, 1000 ms", "Slow: done, 2000 ms"]
        expect(told).toEqual(["Started", "Ready", ...slow, "DeadLetter: answered too late", "Stopped"])
      })
    ))
})
