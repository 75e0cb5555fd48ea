/** Time of the runtime: clock steps move dates only, and a sleep does not outlast a suspend. */
import { Cause, Clock, Duration, Effect, Exit, Fiber, Schedule } from "effect"
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest"
import { address, child, start } from "../../../src/runtime/actor.ts"
import { monotonicNow } from "../../../src/runtime/primitives/monotonic-time.ts"
import { bootMs, RuntimeClock } from "../../../src/runtime/primitives/runtime-clock.ts"
import { dateNow, wallNow } from "../../../src/runtime/primitives/wall-time.ts"
import type { Ask } from "../../../src/runtime/protocol.ts"
import { Supervisor } from "../../../src/runtime/supervisor.ts"

const hour = 3_600_000

/** A system whose clocks disagree: time that passes, suspends and steps of the wall clock. */
const system = () => {
  let suspended = 0
  let stepped = 0
  const passedMs = () => vi.getMockedSystemTime()?.getTime() ?? 0
  const clock = new RuntimeClock({
    monotonicNanos: () => BigInt(Math.round(passedMs() * 1e6)),
    wallMs: () => passedMs() + suspended + stepped,
    bootMs: () => passedMs() + suspended
  })
  const run = <A>(effect: Effect.Effect<A>) => Effect.runFork(Effect.provideService(effect, Clock.Clock, clock))
  return {
    clock,
    run,
    step: (ms: number) => {
      stepped += ms
    },
    suspend: (ms: number) => {
      suspended += ms
    }
  }
}

const isDone = (fiber: Fiber.Fiber<unknown, unknown>) => fiber.pollUnsafe() !== undefined

beforeEach(
  () =>
    void vi.useFakeTimers({
      now: 1_000_000,
      toFake: ["setTimeout", "clearTimeout", "setInterval", "clearInterval", "Date"]
    })
)
afterEach(() => void vi.useRealTimers())

describe("the clock of the runtime", () => {
  it.each([-2 * hour, 2 * hour])("is not moved by a clock step of %i ms", async (by) => {
    const { clock, run, step } = system()
    const before = clock.currentTimeMillisUnsafe()
    step(by)
    expect(clock.currentTimeMillisUnsafe()).toBe(before)
    expect(clock.currentTimeNanosUnsafe()).toBe(BigInt(before) * 1_000_000n)
    await vi.advanceTimersByTimeAsync(1500)
    expect(clock.currentTimeMillisUnsafe()).toBe(before + 1500)
    expect(await Effect.runPromise(Fiber.join(run(wallNow)))).toBe(before + 1500 + by)
    expect(await Effect.runPromise(Fiber.join(run(dateNow)))).toEqual(new Date(before + 1500 + by))
  })

  it.each([-2 * hour, 2 * hour])("keeps Effect's own durations over a clock step of %i ms", async (by) => {
    const { run, step } = system()
    let made = 0
    const count = Effect.sync(() => ++made)
    const cached = await Effect.runPromise(Fiber.join(run(Effect.cachedWithTTL(count, "1 minute"))))
    expect(await Effect.runPromise(Fiber.join(run(cached)))).toBe(1)
    step(by)
    expect(await Effect.runPromise(Fiber.join(run(cached)))).toBe(1)
    await vi.advanceTimersByTimeAsync(60_001)
    expect(await Effect.runPromise(Fiber.join(run(cached)))).toBe(2)
    const times = run(Effect.repeat(count, { schedule: Schedule.spaced("10 seconds"), times: 2 }))
    step(-by)
    await vi.advanceTimersByTimeAsync(20_000)
    expect(isDone(times)).toBe(true)
  })

  it("ends a long sleep soon after a suspend in which it was due", async () => {
    const { run, suspend } = system()
    const pause = run(Effect.sleep("5 minutes"))
    const longer = run(Effect.sleep("3 hours"))
    await vi.advanceTimersByTimeAsync(60_000)
    suspend(hour)
    await vi.advanceTimersByTimeAsync(5100)
    expect(isDone(pause)).toBe(true)
    expect(isDone(longer)).toBe(false)
    // Three hours by boot time: the suspend counts once.
    await vi.advanceTimersByTimeAsync(2 * hour - 65_100 - 1000)
    expect(isDone(longer)).toBe(false)
    await vi.advanceTimersByTimeAsync(1000)
    expect(isDone(longer)).toBe(true)
  })

  it("counts each of several suspends, whether or not something slept in the one before", async () => {
    const { run, suspend } = system()
    suspend(hour)
    const pause = run(Effect.sleep("3 hours"))
    for (let i = 0; i < 2; i++) {
      await vi.advanceTimersByTimeAsync(10_000)
      suspend(hour)
    }
    await vi.advanceTimersByTimeAsync(10_000)
    expect(isDone(pause)).toBe(false)
    await vi.advanceTimersByTimeAsync(hour - 30_000)
    expect(isDone(pause)).toBe(true)
  })

  it("takes nothing from a sleep that begins after the suspend, before it was noticed", async () => {
    const { run, suspend } = system()
    run(Effect.sleep("1 day"))
    await vi.advanceTimersByTimeAsync(6000)
    suspend(hour)
    const pause = run(Effect.sleep("10 minutes"))
    await vi.advanceTimersByTimeAsync(600_000 - 1)
    expect(isDone(pause)).toBe(false)
    await vi.advanceTimersByTimeAsync(1)
    expect(isDone(pause)).toBe(true)
  })

  it("sleeps exactly as long as asked, also longer than a timer of Node holds, and leaves no timer behind", async () => {
    const { run } = system()
    const days = 40
    const long = run(Effect.sleep(Duration.days(days)))
    await vi.advanceTimersByTimeAsync(days * 24 * hour - 1)
    expect(isDone(long)).toBe(false)
    await vi.advanceTimersByTimeAsync(1)
    expect(isDone(long)).toBe(true)
    const interrupted = run(Effect.sleep("1 hour"))
    const short = run(Effect.sleep("1 second"))
    await Effect.runPromise(Fiber.interruptAll([interrupted, short]))
    expect(vi.getTimerCount()).toBe(0)
  })

  it("tells boot time, suspends included", () => {
    const { clock, suspend } = system()
    const before = bootMs(clock)
    suspend(hour)
    expect(bootMs(clock)).toBe(before + hour)
  })
})

describe("actors that are started without a clock", () => {
  type Clocks = { readonly Clock: Ask<void, Clock.Clock> }
  const behaviour = { init: () => Effect.succeed({ Clock: () => Clock.Clock }) }
  const mailbox = { capacity: 1, overflow: { policy: "refuse" } } as const

  it("run with the runtime's, alone and in a tree, and so does what they start", async () => {
    vi.useRealTimers()
    const clocks = await Effect.runPromise(
      Effect.scoped(
        Effect.gen(function* () {
          const alone = yield* start<Clocks, never, never>({ name: "alone", mailbox, behaviour })
          const place = yield* address<Clocks>({ name: "child", mailbox })
          yield* Supervisor.start({
            name: "tree",
            strategy: "one_for_one",
            intensity: { max: 1, within: "1 second" },
            onExhausted: "escalate",
            backoff: { initial: "1 second", maximum: "1 second", factor: 1, jitter: 0, resetAfter: "1 minute" },
            children: [child(place, behaviour, { restart: "permanent" })]
          })
          const within = { within: "5 seconds" } as const
          return [yield* alone.ask("Clock", undefined, within), yield* place.ref.ask("Clock", undefined, within)]
        })
      )
    )
    expect(clocks.map((clock) => clock instanceof RuntimeClock)).toEqual([true, true])
  })

  it("keep a clock that was provided", async () => {
    const { clock } = system()
    vi.useRealTimers()
    const exit = await Effect.runPromiseExit(
      Effect.scoped(
        Effect.gen(function* () {
          const alone = yield* start<Clocks, never, never>({ name: "alone", mailbox, behaviour })
          return yield* alone.ask("Clock", undefined, { within: "Infinity" })
        })
      ).pipe(Effect.provideService(Clock.Clock, clock))
    )
    expect(Exit.isSuccess(exit) ? exit.value : Cause.pretty(exit.cause)).toBe(clock)
  })
})

describe("monotonic time", () => {
  it("is in milliseconds, of the clock the fiber runs with", async () => {
    const { run } = system()
    const before = await Effect.runPromise(Fiber.join(run(monotonicNow)))
    await vi.advanceTimersByTimeAsync(250)
    expect((await Effect.runPromise(Fiber.join(run(monotonicNow)))) - before).toBe(250)
  })
})
