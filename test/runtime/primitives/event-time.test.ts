import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { dateOf, earlier, eventTime, present } from "../../../src/runtime/primitives/event-time.ts"
import { RuntimeClock } from "../../../src/runtime/primitives/runtime-clock.ts"

/** A system whose clock is set, and that is suspended. */
const startSystem = (date: number) => {
  const system = { wallMs: date, monotonicMs: 1_000, bootMs: 1_000 }
  const clock = new RuntimeClock({
    wallMs: () => system.wallMs,
    monotonicNanos: () => BigInt(system.monotonicMs) * 1_000_000n,
    bootMs: () => system.bootMs
  })
  const pass = (ms: number) => {
    system.wallMs += ms
    system.monotonicMs += ms
    system.bootMs += ms
  }
  const suspend = (ms: number) => {
    system.wallMs += ms
    system.bootMs += ms
  }
  const setClock = (ms: number) => {
    system.wallMs += ms
  }
  return { system, clock, pass, suspend, setClock }
}

const begin = 1_700_000_000_000
const day = 86_400_000

describe("the date of an event", () => {
  it("is that of its time while the clock is not set", () => {
    fc.assert(
      fc.property(fc.nat(), (ms) => {
        const { clock, pass } = startSystem(begin)
        const event = eventTime(clock)
        pass(ms)
        expect(dateOf(event, present(clock))).toBe(begin)
      })
    )
  })

  it("moves with the clock when it is set, forwards or back", () => {
    fc.assert(
      fc.property(fc.constantFrom(-1, 1), fc.integer({ min: 2, max: 10_000_000 }), fc.nat(), (sign, seconds, ms) => {
        const { clock, pass, setClock } = startSystem(begin)
        const event = eventTime(clock)
        pass(5_000)
        setClock(sign * seconds * 1_000)
        pass(ms)
        expect(dateOf(event, present(clock))).toBe(begin + sign * seconds * 1_000)
      })
    )
  })

  it("does not move with a suspend, which is time that passed", () => {
    const { clock, pass, suspend } = startSystem(begin)
    const event = eventTime(clock)
    pass(5_000)
    suspend(day)
    pass(5_000)
    expect(dateOf(event, present(clock))).toBe(begin)
  })

  it("of an event after the step is what the clock said", () => {
    const { clock, pass, setClock } = startSystem(0)
    setClock(begin)
    const event = eventTime(clock)
    pass(5_000)
    expect(dateOf(event, present(clock))).toBe(begin)
  })

  it("of an earlier one is earlier", () => {
    const { clock, setClock } = startSystem(begin)
    const event = earlier(eventTime(clock), 250)
    setClock(day)
    expect(dateOf(event, present(clock))).toBe(begin + day - 250)
  })
})
