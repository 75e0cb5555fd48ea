/** What the log says of tokens. */
import { describe, expect, it } from "vitest"
import { explainCryptokiEvent } from "../../../src/messages/explain/cryptoki-event.ts"

const token = "my-token"

describe("the log line about a token", () => {
  it("says of a locked PIN only that it is locked", () => {
    expect(explainCryptokiEvent({ _tag: "PinLatched", token, isLocked: true }).text).toBe(
      "the user PIN of token 'my-token' is locked"
    )
  })

  it("names the directory where refused PINs cannot be recorded, and what to do", () => {
    const { text } = explainCryptokiEvent({ _tag: "LatchNotKept", directory: "/run/tedge-pin-latch", code: "EROFS" })
    expect(text).toMatch(
      /'\/run\/tedge-pin-latch' \(EROFS\).*; make that directory writable by this user, or set run\.path$/
    )
  })

  it("has no names of our own types in it when the token is gone", () => {
    expect(explainCryptokiEvent({ _tag: "TokenGone", token, reason: "TokenUnavailable" }).text).toBe(
      "token 'my-token' is unavailable; tedge resumes when it is back"
    )
  })
})
