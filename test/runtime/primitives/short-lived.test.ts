/** Set and Map for what comes and goes: they behave as V8's own, and keep no garbage alive. */
import { getHeapSpaceStatistics, setFlagsFromString } from "node:v8"
import { runInNewContext } from "node:vm"
import fc from "fast-check"
import { describe, expect, test } from "vitest"
import { ShortLivedMap, ShortLivedSet } from "../../../src/runtime/primitives/short-lived.ts"

const keys = fc.nat({ max: 9 })
const change = fc.oneof(
  { weight: 10, arbitrary: fc.record({ kind: fc.constantFrom("add", "delete"), key: keys }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("clear"), key: keys }) }
)
const changes = fc.array(change, { maxLength: 300, size: "max" })

describe("they hold what V8's own hold, in the same order", () => {
  test("ShortLivedSet", () => {
    fc.assert(
      fc.property(changes, (all) => {
        const [ours, theirs] = [new ShortLivedSet<number>(), new Set<number>()]
        for (const { kind, key } of all) {
          if (kind === "add") {
            ours.add(key)
            theirs.add(key)
          } else if (kind === "delete") expect(ours.delete(key)).toBe(theirs.delete(key))
          else {
            ours.clear()
            theirs.clear()
          }
          expect([...ours]).toEqual([...theirs])
          expect([ours.size, ours.has(key)]).toEqual([theirs.size, theirs.has(key)])
        }
      })
    )
  })

  test("ShortLivedMap", () => {
    fc.assert(
      fc.property(changes, (all) => {
        const [ours, theirs] = [new ShortLivedMap<number, number>(), new Map<number, number>()]
        for (const [at, { kind, key }] of all.entries()) {
          if (kind === "add") {
            ours.set(key, at)
            theirs.set(key, at)
          } else if (kind === "delete") expect(ours.delete(key)).toBe(theirs.delete(key))
          else {
            ours.clear()
            theirs.clear()
          }
          expect([...ours]).toEqual([...theirs])
          expect([...ours.values()]).toEqual([...theirs.values()])
          expect([ours.size, ours.get(key)]).toEqual([theirs.size, theirs.get(key)])
        }
      })
    )
  })
})

describe("what has left them does not grow old", () => {
  const plainSet = () => {
    const set = new Set<object>()
    return { add: (item: object) => void set.add(item), remove: (item: object) => void set.delete(item) }
  }
  const shortLivedSet = () => {
    const set = new ShortLivedSet<object>()
    return { add: (item: object) => void set.add(item), remove: (item: object) => void set.delete(item) }
  }
  const shortLivedMap = () => {
    const map = new ShortLivedMap<object, object>()
    return { add: (item: object) => void map.set(item, item), remove: (item: object) => void map.delete(item) }
  }

  test("V8's own Set keeps much of it: the reason for ours", () => {
    expect(grownOld(plainSet())).toBeGreaterThan(made / 4)
  })

  test.each([
    ["ShortLivedSet", shortLivedSet],
    ["ShortLivedMap", shortLivedMap]
  ])("%s", (_name, make) => {
    expect(grownOld(make())).toBeLessThan(made / 20)
  })
})

const rounds = 4000
const bytesEach = 2048
const made = rounds * bytesEach

/** How many bytes of what came and went are among V8's old objects at the end. */
const grownOld = ({ add, remove }: { add: (item: object) => void; remove: (item: object) => void }): number => {
  const collect = collector()
  const waiting: Array<object> = []
  const turn = (count: number) => {
    for (let n = 0; n < count; n++) {
      const item = { payload: new Array(bytesEach / 8).fill(0.5) }
      add(item)
      waiting.push(item)
      const left = waiting.length > 4 ? waiting.shift() : undefined
      if (left) remove(left)
    }
  }
  turn(100)
  // The tables are old from here on, as in a service that has been idle.
  collect({ type: "major" })
  collect({ type: "major" })
  const before = oldBytes()
  for (let n = 0; n < rounds; n += 100) {
    turn(100)
    collect({ type: "minor" })
  }
  return oldBytes() - before
}

const collector = (): ((options: { type: "major" | "minor" }) => void) => {
  setFlagsFromString("--expose-gc")
  return runInNewContext("gc")
}

const oldBytes = (): number =>
  getHeapSpaceStatistics()
    .filter(({ space_name }) => space_name === "old_space")
    .reduce((sum, { space_used_size }) => sum + space_used_size, 0)
