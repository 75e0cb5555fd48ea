import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { LoopGuard } from "../../../src/actors/bridge/loop-guard.ts"

const passing = (topic: string, payload = "x") => ({ side: "cloud", topic, payload: Buffer.from(payload) })

describe("the guard against loops", () => {
  it("swallows exactly as many echoes as were expected, in whatever order they come back", () =>
    fc.assert(
      fc.property(fc.array(fc.constantFrom("a", "b", "c"), { maxLength: 30 }), fc.nat(), (topics, seed) => {
        const guard = new LoopGuard()
        for (const topic of topics) guard.expect(passing(topic), 0)
        const shuffled = [...topics].sort((a, b) => ((seed + a.charCodeAt(0)) % 7) - ((seed + b.charCodeAt(0)) % 7))
        for (const topic of shuffled) expect(guard.isEcho(passing(topic), 1)).toBe(true)
        for (const topic of ["a", "b", "c"]) expect(guard.isEcho(passing(topic), 1)).toBe(false)
        expect(guard.depth).toBe(0)
      })
    ))

  it("lets through what differs in side, topic or payload", () => {
    const guard = new LoopGuard()
    guard.expect(passing("a"), 0)
    expect(guard.isEcho({ ...passing("a"), side: "local" }, 1)).toBe(false)
    expect(guard.isEcho(passing("a", "y"), 1)).toBe(false)
    expect(guard.isEcho(passing("b"), 1)).toBe(false)
    expect(guard.isEcho(passing("a"), 1)).toBe(true)
  })

  it("expects nothing for longer than 100 s, and no more than fits", () => {
    const guard = new LoopGuard()
    guard.expect(passing("a"), 0)
    expect(guard.isEcho(passing("a"), 100_000)).toBe(false)
    for (let n = 0; n < 10_010; n++) guard.expect(passing(`${n}`), 0)
    expect(guard.depth).toBe(10_000)
    guard.expect(passing("late"), 200_000)
    expect(guard.depth).toBe(1)
  })
})
