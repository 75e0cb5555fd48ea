import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { BoundedMap } from "../../../src/runtime/primitives/bounded-map.ts"

describe("A bounded map", () => {
  it("never holds more than its limit, has the last entry, and never an old value", () =>
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 4 }), fc.array(fc.tuple(fc.nat(6), fc.nat())), (limit, entries) => {
        const bounded = new BoundedMap<number, number>(limit)
        const all = new Map<number, number>()
        for (const [key, value] of entries) {
          all.set(key, value)
          bounded.set(key, value)
          expect(bounded.size).toBeLessThanOrEqual(limit)
          expect(bounded.get(key)).toBe(value)
          for (const [kept, last] of bounded) expect(last).toBe(all.get(kept))
        }
      })
    ))

  it("forgets nothing before the limit is passed", () => {
    const bounded = new BoundedMap<string, number>(2)
    bounded.set("a", 1).set("b", 2).set("a", 3)
    expect([...bounded]).toEqual([
      ["a", 3],
      ["b", 2]
    ])
    expect([...bounded.set("c", 4)]).toEqual([["c", 4]])
  })
})
