/** What the cards of the page say of a link and of a key. */
import { describe, expect, it } from "vitest"
import { keyLook, keyRows, linkLook, linkRows } from "../../web/card-rows.ts"
import { now, snapshot } from "../cli/commands/status/reports.ts"

const link = snapshot.connection?.link
const key = snapshot.key
if (link === undefined || key === undefined) throw new Error("no snapshot")

describe("the card of a link", () => {
  it("is good when it is up, and shows a subscription that was refused as bad", () => {
    expect(linkLook(link)).toBe("good")
    const refused = { ...link, faults: [{ filter: "s/ds", code: 135 }] }
    expect(linkLook(refused)).toBe("bad")
    expect(linkRows(refused, now)).toContainEqual(["refused", "subscription s/ds (code 135: not authorised)"])
  })

  it("shows a subscription with a lower QoS than asked for", () => {
    const lower = { ...link, faults: [{ filter: "s/e", code: 0 }] }
    expect(linkLook(lower)).toBe("warn")
    expect(linkRows(lower, now)).toContainEqual(["granted", "subscription s/e (with QoS 0 only)"])
  })
})

describe("the card of a key", () => {
  const lastOf = (outcome: string) => {
    const last = { at: now, took_ms: 12, outcome }
    const facts = { ...key, signatures: { ...key.signatures, last } }
    return [Object.fromEntries(keyRows(facts)).last, keyLook(facts)]
  }

  it("says how the last signature ended", () => {
    expect(lastOf("ok")).toEqual([expect.stringMatching(/^ok, 12 ms, /), ""])
    expect(lastOf("SigningFailed")).toEqual([expect.stringMatching(/^failed: SigningFailed, 12 ms, /), "bad"])
  })
})
