/** Events told to many, and mailboxes read as streams: nothing is lost without being counted. */
import { Effect, Exit, Fiber, Scope } from "effect"
import fc from "fast-check"
import { config, type Observable, of, throwError } from "rxjs"
import { concatMap, delay, map, take } from "rxjs/operators"
import { describe, expect, it } from "vitest"
import { Channel, consume, fromEffect, untilComplete } from "../../src/runtime/channel.ts"
import { Mailbox } from "../../src/runtime/mailbox.ts"
import { passTime, settled, withTestClock } from "../../src/testing/test-clock.ts"

const mailbox = (capacity: number) => new Mailbox<string>({ name: "m", capacity, overflow: { policy: "block" } })

describe("a channel", () => {
  it("tells every event to every subscriber, in order", () =>
    withTestClock(
      Effect.gen(function* () {
        const channel = Channel.make<number>("numbers")
        const seen: Array<Array<number>> = [[], [], []]
        for (const mine of seen.slice(0, 2)) {
          yield* channel.subscribe({ capacity: 1, overflow: "wait" }, (n) => Effect.sync(() => mine.push(n)))
        }
        channel.observable.pipe(map((n) => n * 10)).subscribe((n) => seen[2]?.push(n))
        for (const n of [1, 2, 3]) yield* channel.publish(n)
        yield* settled
        expect(seen).toEqual([
          [1, 2, 3],
          [1, 2, 3],
          [10, 20, 30]
        ])
      })
    ))

  it("makes publishers wait for a subscriber that asked for it", () =>
    withTestClock(
      Effect.gen(function* () {
        const channel = Channel.make<number>("numbers")
        yield* channel.subscribe({ capacity: 1, overflow: "wait" }, () => Effect.sleep("1 second"))
        const publishing = yield* Effect.forkChild(Effect.forEach([1, 2, 3], channel.publish))
        yield* settled
        expect(publishing.pollUnsafe()).toBeUndefined()
        yield* passTime("1 second")
        expect(publishing.pollUnsafe()).toBeDefined()
        expect(channel.counters).toMatchObject({ published: 3, dropped: 0 })
      })
    ))

  it("lets a slow subscriber miss the oldest events, and counts them", () =>
    withTestClock(
      Effect.gen(function* () {
        const channel = Channel.make<number>("numbers")
        const seen: Array<number> = []
        yield* channel.subscribe({ capacity: 2, overflow: "dropOldest" }, (n) =>
          Effect.andThen(
            Effect.sync(() => seen.push(n)),
            Effect.sleep("1 second")
          )
        )
        yield* settled
        for (const n of [1, 2, 3, 4, 5]) yield* channel.publish(n)
        yield* passTime("5 seconds")
        expect(seen).toEqual([4, 5])
        expect(channel.counters.dropped).toBe(3)
      })
    ))

  it("ends a slow subscriber that would rather fail than miss one, and forgets it", () =>
    withTestClock(
      Effect.gen(function* () {
        const channel = Channel.make<number>("numbers")
        const fiber = yield* channel.subscribe({ capacity: 1, overflow: "fail" }, () => Effect.sleep("1 second"))
        yield* settled
        for (const n of [1, 2]) yield* channel.publish(n)
        yield* passTime("2 seconds")
        expect(yield* Effect.flip(Fiber.join(fiber))).toMatchObject({ _tag: "SubscriberTooSlow", channel: "numbers" })
        expect(channel.counters.subscribers).toBe(0)
      })
    ))

  it("counts a subscriber's defect and goes on with the next event", () =>
    withTestClock(
      Effect.gen(function* () {
        const channel = Channel.make<number>("numbers")
        const seen: Array<number> = []
        yield* channel.subscribe({ capacity: 4, overflow: "wait" }, (n) => {
          if (n === 1) throw new Error("boom")
          return Effect.sync(() => seen.push(n))
        })
        for (const n of [1, 2]) yield* channel.publish(n)
        yield* settled
        expect([seen, channel.counters.failures]).toEqual([[2], 1])
      })
    ))

  it("keeps what a mere onlooker throws from ending the process", async () => {
    const channel = Channel.make<number>("numbers")
    const seen: Array<number> = []
    const boom = (): never => {
      throw new Error("boom")
    }
    channel.observable.subscribe(boom)
    channel.observable.pipe(map((n) => n)).subscribe({ next: boom })
    channel.observable.pipe(map(boom), map(String)).subscribe()
    channel.observable.pipe(map(boom)).subscribe({ error: boom })
    channel.observable.pipe(map((n) => n)).subscribe((n) => seen.push(n))
    await withTestClock(Effect.andThen(channel.publish(1), channel.publish(2)))
    // rxjs would report it from a timer of its own.
    await new Promise((resolve) => setTimeout(resolve, 0))
    // A subscriber that throws goes on; a stream with an error has ended.
    expect(channel.counters.failures).toBe(6)
    expect(seen).toEqual([1, 2])
  })

  it("leaves rxjs in the process of others as it is", () => {
    expect(config.onUnhandledError).toBeNull()
  })

  it("lets go of its publishers when a slow subscriber leaves", () =>
    withTestClock(
      Effect.gen(function* () {
        const channel = Channel.make<number>("numbers")
        const scope = yield* Scope.make()
        yield* Scope.provide(
          channel.subscribe({ capacity: 1, overflow: "wait" }, () => Effect.never),
          scope
        )
        const publishing = yield* Effect.forkChild(Effect.forEach([1, 2, 3], channel.publish))
        yield* settled
        yield* Scope.close(scope, Exit.void)
        yield* settled
        expect(publishing.pollUnsafe()).toBeDefined()
      })
    ))
})

describe("a mailbox read as a stream", () => {
  /** Inner streams that end when the test says so. */
  const gates = () => {
    const open = new Map<string, () => void>()
    const project = (message: string): Observable<string> =>
      fromEffect(Effect.callback<string>((resume) => void open.set(message, () => resume(Effect.succeed(message)))))
    return { open, project }
  }

  it("gives one message per credit, and the completion of the inner stream is the credit", () => {
    const box = mailbox(10)
    const { open, project } = gates()
    const seen: Array<string> = []
    consume(box, { concurrency: 2 }, project).subscribe((message) => seen.push(message))
    for (const message of ["a", "b", "c"]) box.place(message)
    expect([[...open.keys()], box.depth]).toEqual([["a", "b"], 1])
    open.get("b")?.()
    expect([seen, [...open.keys()], box.depth]).toEqual([["b"], ["a", "b", "c"], 0])
  })

  it("keeps room for what it has not finished: senders are held back", () =>
    withTestClock(
      Effect.gen(function* () {
        const box = mailbox(1)
        const { open, project } = gates()
        consume(box, { concurrency: 1 }, project).subscribe()
        yield* box.send("a")
        const sending = yield* Effect.forkChild(box.send("b"))
        yield* settled
        expect(sending.pollUnsafe()).toBeUndefined()
        open.get("a")?.()
        yield* Fiber.join(sending)
      })
    ))

  it("handles messages with the same key one after another, and others beside them", () => {
    const box = mailbox(10)
    const { open, project } = gates()
    consume(box, { concurrency: 3, keyBy: (message) => message.slice(0, 1) }, project).subscribe()
    for (const message of ["a1", "a2", "b1"]) box.place(message)
    expect([...open.keys()]).toEqual(["a1", "b1"])
    open.get("a1")?.()
    expect([...open.keys()]).toEqual(["a1", "b1", "a2"])
  })

  it("puts unfinished messages back in their order when it is unsubscribed", () => {
    const box = mailbox(10)
    const cancelled: Array<string> = []
    const project = (message: string) =>
      fromEffect(Effect.onInterrupt(Effect.never, () => Effect.sync(() => void cancelled.push(message))))
    const subscription = consume(box, { concurrency: 2 }, project).subscribe()
    for (const message of ["a", "b", "c"]) box.place(message)
    subscription.unsubscribe()
    expect(cancelled).toEqual(["a", "b"])
    expect([box.poll(), box.poll(), box.poll()]).toEqual(["a", "b", "c"])
  })

  it("ends with the failure of a message, and keeps the others", () => {
    const box = mailbox(10)
    for (const message of ["a", "bad", "c"]) box.place(message)
    const failures: Array<unknown> = []
    const project = (message: string) => (message === "bad" ? throwError(() => "broken") : of(message))
    consume(box, { concurrency: 1 }, project).subscribe({ error: (error) => failures.push(error) })
    expect([failures, box.depth, box.poll()]).toEqual([["broken"], 1, "c"])
  })

  it("refuses a second subscriber, and takes one again when the first is gone", () => {
    const box = mailbox(10)
    const errors: Array<unknown> = []
    const stream = consume(box, { concurrency: 1 }, (message) => of(message))
    const first = stream.subscribe()
    stream.subscribe({ error: (error) => errors.push(error) })
    expect(errors).toMatchObject([{ _tag: "AlreadyConsumed", mailbox: "m" }])
    first.unsubscribe()
    const seen: Array<string> = []
    stream.subscribe((message) => seen.push(message))
    box.place("a")
    expect(seen).toEqual(["a"])
  })

  it("completes when its mailbox is closed and everything is done", () =>
    withTestClock(
      Effect.gen(function* () {
        const box = mailbox(10)
        box.place("a")
        const reading = yield* Effect.forkChild(
          untilComplete(consume(box, { concurrency: 1 }, (message) => of(message)))
        )
        yield* settled
        expect(reading.pollUnsafe()).toBeUndefined()
        box.close()
        yield* Fiber.join(reading)
      })
    ))

  it("runs an effect as its inner stream, whose failure is the message's", () =>
    withTestClock(
      Effect.gen(function* () {
        const box = mailbox(10)
        box.place("a")
        const failing = consume(box, { concurrency: 1 }, () => fromEffect(Effect.fail("no")))
        expect(yield* Effect.flip(untilComplete(failing))).toBe("no")
      })
    ))

  it("loses nothing and keeps the order, however fast the receiver and however often it leaves", async () => {
    const scenario = [
      fc.integer({ min: 1, max: 5 }),
      fc.integer({ min: 1, max: 30 }),
      fc.array(fc.integer({ min: 1, max: 4 }))
    ] as const
    await fc.assert(
      fc.asyncProperty(...scenario, async (capacity, total, visits) => {
        const box = new Mailbox<number>({ name: "m", capacity, overflow: { policy: "block" } })
        const seen: Array<number> = []
        const visit = (count: number) =>
          untilComplete(
            consume(box, { concurrency: 1 }, (n) => of(n).pipe(delay(0))).pipe(
              concatMap((n) => {
                seen.push(n)
                return of(n)
              }),
              take(count)
            )
          )
        const numbers = Array.from({ length: total }, (_, n) => n)
        await Effect.runPromise(
          Effect.gen(function* () {
            const sending = yield* Effect.forkChild(Effect.forEach(numbers, (n) => box.send(n), { discard: true }))
            for (const count of visits) if (seen.length + count < total) yield* visit(count)
            yield* Effect.forkChild(
              Effect.andThen(
                Fiber.join(sending),
                Effect.sync(() => box.close())
              )
            )
            yield* visit(Number.POSITIVE_INFINITY)
          })
        )
        // A message whose answer was seen but whose inner stream was cut off is delivered again.
        expect(seen.filter((n, at) => n !== seen[at - 1])).toEqual(numbers)
        expect(box.maxDepth).toBeLessThanOrEqual(capacity)
      }),
      { numRuns: 60 }
    )
  })
})
