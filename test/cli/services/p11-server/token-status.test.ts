/** The line that `systemctl status` shows of the signing service. */
import { Cause } from "effect"
import { expect, it } from "vitest"
import { tokenStatus } from "../../../../src/cli/services/p11-server/token-status.ts"

it("reports a parked actor and its next restart, until it is ready again", () => {
  const status = tokenStatus()
  status.seen(["my-token"])
  const at = Date.UTC(2026, 0, 1, 12)
  const cause = Cause.die(new Error("a mistake"))
  expect(status.noteActor({ _tag: "GaveUp", actor: "cryptoki/my-token", at, cause, againAfterMs: 300_000 })).toBe(true)
  expect(status.line()).toBe(
    "cryptoki/my-token is parked after repeated failures, next try at 2026-01-01T12:05:00Z; token 'my-token': there"
  )
  expect(status.noteActor({ _tag: "Ready", actor: "cryptoki/other", at })).toBe(false)
  expect(status.noteActor({ _tag: "Ready", actor: "cryptoki/my-token", at })).toBe(true)
  expect(status.line()).toBe("token 'my-token': there")
  expect(status.noteActor({ _tag: "GaveUp", actor: "cryptoki", at, cause, againAfterMs: undefined })).toBe(true)
  expect(status.line()).toContain("cryptoki is parked after repeated failures; ")
  expect(status.noteActor({ _tag: "Stopped", actor: "cryptoki", at })).toBe(true)
  expect(status.line()).toBe("token 'my-token': there")
})
