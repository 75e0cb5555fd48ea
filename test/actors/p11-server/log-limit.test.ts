/** How many lines clients can make the service write. */
import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { LogLimit, linesOfAKind } from "../../../src/actors/p11-server/log-limit.ts"
import { limitedKind } from "../../../src/cli/services/p11-server/limited-lines.ts"
import type { P11ServerEvent } from "../../../src/messages/p11-server.ts"
import { requestTimes } from "./request-times.ts"

const client = { uid: 1000, gid: 1000, pid: 1 }

describe("the limit of log lines", () => {
  it("writes some of a kind, and counts the suppressed ones", () => {
    const limit = new LogLimit()
    expect(Array.from({ length: 1000 }, () => limit.admits("a")).filter(Boolean)).toHaveLength(linesOfAKind)
    expect(limit.admits("b")).toBe(true)
    expect(limit.endPeriod()).toEqual([{ kind: "a", count: 1000 - linesOfAKind }])
    expect(limit.endPeriod()).toEqual([])
    expect(limit.admits("a")).toBe(true)
  })

  it("loses no line without counting it, whatever comes", () => {
    fc.assert(
      fc.property(fc.array(fc.option(fc.nat(400)), { maxLength: 2000 }), (steps) => {
        const limit = new LogLimit()
        let written = 0
        let counted = 0
        const end = () => {
          for (const { count } of limit.endPeriod()) counted += count
        }
        for (const step of steps) {
          if (step === null) end()
          else if (limit.admits(`kind ${step}`)) written += 1
        }
        end()
        expect(written + counted).toBe(steps.filter((step) => step !== null).length)
      })
    )
  })

  it("never holds for rights, PINs and changes", () => {
    const about = { uri: undefined, times: requestTimes(1), isSignature: false }
    const refused = { _tag: "RequestRefused", client, ...about, reason: "no" } as const
    const audited: ReadonlyArray<P11ServerEvent> = [
      { ...refused, operation: "create-key", isAudited: true },
      { _tag: "RequestServed", client, operation: "delete-key", ...about }
    ]
    for (const event of audited) expect(limitedKind(event)).toBeUndefined()
    expect(limitedKind({ ...refused, operation: undefined, isAudited: false })).toContain("uid=1000")
    expect(limitedKind({ _tag: "ClientAborted", client, reason: "silent" })).toContain("uid=1000")
  })
})
