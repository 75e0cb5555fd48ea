import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { SendQuota } from "../../../src/actors/mqtt/send-quota.ts"

describe("what a broker takes before it has acknowledged", () => {
  it("is never exceeded, and everybody is let in, in the order of asking, but for those who gave up", () =>
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 4 }),
        fc.array(fc.constantFrom("enter" as const, "leave" as const, "giveUp" as const), { maxLength: 60 }),
        (maximum, steps) => {
          const quota = new SendQuota(maximum)
          const sent: Array<number> = []
          const expected: Array<number> = []
          const waiting: Array<{ n: number; giveUp: () => void }> = []
          let inFlight = 0
          const enter = (n: number) => {
            const giveUp = quota.enter(() => {
              inFlight += 1
              sent.push(n)
            })
            if (!sent.includes(n)) waiting.push({ n, giveUp })
            else expected.push(n)
          }
          const leave = () => {
            if (inFlight === 0) return
            inFlight -= 1
            const next = waiting.shift()
            if (next !== undefined) expected.push(next.n)
            quota.leave()
          }
          steps.forEach((step, n) => {
            if (step === "enter") enter(n)
            else if (step === "leave") leave()
            else waiting.shift()?.giveUp()
            expect(inFlight).toBeLessThanOrEqual(maximum)
            expect(sent).toEqual(expected)
          })
        }
      )
    ))
})
