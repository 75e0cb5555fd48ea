/** The dates of a token and its signatures, on a device whose clock is set later. */
import { describe, expect, it } from "vitest"
import { TokenBook } from "../../../src/actors/status/token-book.ts"

const day = 86_400_000

describe("the tokens of a service", () => {
  it("are dated by the clock as it is set now", () => {
    const book = new TokenBook()
    const begun = { wallMs: 1_000, monotonicMs: 1_000 }
    book.signed({ token: "one", begun, tookMs: 5, outcome: "ok" })
    book.note({ _tag: "TokenGone", token: "one", reason: "TokenNotPresent" }, { wallMs: 3_000, monotonicMs: 3_000 })
    const now = { wallMs: day + 9_000, monotonicMs: 9_000, suspendedMs: 0 }
    expect(book.facts({ via: "module" }, now)).toMatchObject({
      signatures: { last: { at: day + 1_000 } },
      tokens: [{ token: "one", state: "gone", since: day + 3_000, signatures: { last: { at: day + 1_000 } } }]
    })
  })
})
