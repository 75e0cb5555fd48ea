/** The next step for what tedge-p11-server refused: known again by the words our own service says. */
import { expect, it } from "vitest"
import { explainNotAllowed } from "../../../src/messages/explain/p11-server.ts"
import { explain, type Failure } from "../../../src/messages/explain.ts"
import { OperationNotAllowed } from "../../../src/messages/p11-server.ts"
import { KeyNotFound, PinRejected, SigningServiceRefused, TokenNotFound } from "../../../src/messages/token-refusals.ts"
import { samples } from "../explain-samples.ts"

const onOtherToken = { token: "other", uri: "pkcs11:token=other;object=k", seen: "certificate" } as const
const pin = (reason: PinRejected["reason"]) => new PinRejected({ token: "t", reason })
const clear = /tedge hsm clear-pin-latch$/
const nameToken = /^name that token .*tedge config get device.key_uri$/
const lookAtLog = /^the service uses its own settings and PIN: journalctl -u tedge-p11-server$/

it.each<[Failure, RegExp]>([
  [pin("latched"), clear],
  [pin("latchedAll"), clear],
  [pin("reserved"), clear],
  [pin("differs"), /^leave the PIN to the service \(tedge config unset device.key_pin/],
  [pin("incorrect"), lookAtLog],
  [new KeyNotFound({ uri: "pkcs11:token=t;object=k", token: "t", onOtherToken }), nameToken],
  [new TokenNotFound({ uri: "pkcs11:token=t;object=k", present: [], forKey: true, onOtherToken }), nameToken],
  [
    new KeyNotFound({ uri: undefined, token: "t", onOtherToken: undefined }),
    /^list the keys with: tedge hsm list-keys$/
  ],
  [new TokenNotFound({ uri: undefined, present: [] }), /^list the service's tokens: tedge hsm list-tokens/]
])("%j over the socket has its own next step", (failure, hint) => {
  const message = `PKCS #11 service failed: ${explain(failure).error}`
  expect(explain(new SigningServiceRefused({ message })).hint).toMatch(hint)
})

it("no next step needs a unit that can reload: thin-edge's cannot", () => {
  for (const failure of samples.SigningServiceRefused) expect(explain(failure).hint).not.toMatch(/reload|HUP/)
})

it("a PIN of the client is reported as such, with its source", () => {
  const message = "PKCS #11 service failed: The specified PIN is incorrect: CKR_PIN_INCORRECT"
  const { error, hint } = explain(new SigningServiceRefused({ message, ownPin: "device.key_pin" }))
  expect(error).toContain("the PIN it was given (device.key_pin)")
  expect(hint).toContain("device.key_pin")
  expect(explain(new SigningServiceRefused({ message })).hint).toMatch(lookAtLog)
})

it("a rule that would allow it is shown ready to paste", () => {
  const message = explainNotAllowed(new OperationNotAllowed({ operation: "create-key", uid: 1000, rule: undefined }))
  const oneLine = `PKCS #11 service failed: ${message}`.replaceAll("\n", " ")
  expect(explain(new SigningServiceRefused({ message: oneLine })).hint).toMatch(
    /\n\[\[p11_server\.rules\]\]\nuid = 1000\noperations = \["list", "sign", "public-key", "create-key"\]$/
  )
})
