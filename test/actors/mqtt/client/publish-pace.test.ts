/** How publishes are spread in time, and which PUBACKs are missing. */
import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { PublishPace, UnacknowledgedPublishes } from "../../../../src/actors/mqtt/client/publish-flow.ts"

/** A clock that is moved by hand. */
const handClock = () => {
  let now = 0
  const timers: Array<readonly [at: number, call: () => void]> = []
  return {
    now: () => now,
    after: (ms: number, call: () => void) => void timers.push([now + ms, call]),
    to: (until: number) => {
      for (;;) {
        timers.sort(([one], [other]) => one - other)
        const [next] = timers
        if (next === undefined || next[0] > until) break
        timers.shift()
        now = Math.max(now, next[0])
        next[1]()
      }
      now = until
    }
  }
}

const sendAll = (rate: number, arrivals: ReadonlyArray<number>, untilMs: number): ReadonlyArray<number> => {
  const clock = handClock()
  const pace = new PublishPace(rate, clock)
  const sent: Array<number> = []
  for (const at of [...arrivals].sort((one, other) => one - other)) {
    clock.to(at)
    pace.schedule(() => void sent.push(clock.now()))
  }
  clock.to(untilMs)
  return sent
}

const mostInASecond = (sent: ReadonlyArray<number>): number =>
  Math.max(0, ...sent.map((from) => sent.filter((at) => at >= from && at < from + 1_000).length))

describe("the pace of publishes", () => {
  it("is never above the rate in any second, and loses and reorders none", () =>
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 300 }), fc.array(fc.nat(3_000), { maxLength: 400 }), (rate, arrivals) => {
        const sent = sendAll(rate, arrivals, 10_000_000)
        expect(sent).toHaveLength(arrivals.length)
        expect(mostInASecond(sent)).toBeLessThanOrEqual(rate)
      }),
      { numRuns: 60 }
    ))

  it("is nine tenths of the rate when there is always something to send", () => {
    const sent = sendAll(
      100,
      Array.from({ length: 1_000 }, () => 0),
      10_000
    )
    expect(sent.length).toBeGreaterThan(850)
  })

  it("is no pace at rate 0", () => {
    expect(sendAll(0, [5, 5, 5], 5)).toEqual([5, 5, 5])
  })

  it("forgets what left the line", () => {
    const clock = handClock()
    const pace = new PublishPace(1, clock)
    const sent: Array<string> = []
    pace.schedule(() => void sent.push("a"))
    const cancel = pace.schedule(() => void sent.push("b"))
    pace.schedule(() => void sent.push("c"))
    expect(cancel()).toBe(true)
    clock.to(5_000)
    expect([sent, cancel()]).toEqual([["a", "c"], false])
  })
})

describe("missing PUBACKs", () => {
  it("are those that later ones have overtaken", () => {
    const open = new UnacknowledgedPublishes()
    const [first, second, third] = [0, 10, 20].map((at) => open.sent(at))
    open.sent(30)
    expect(open.overtaken(1_000)).toBe(0)
    third?.()
    expect([open.overtaken(1_000), open.overtaken(10), open.overtaken(0)]).toEqual([2, 1, 0])
    first?.()
    second?.()
    // Nothing was acknowledged after the last: the path may be slow.
    expect(open.overtaken(1_000)).toBe(0)
  })
})
