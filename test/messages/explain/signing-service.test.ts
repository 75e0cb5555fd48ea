/** The next step for what tedge-p11-server refused: known again by the words our own service says. */
import { expect, it } from "vitest"
import { explain, type Failure } from "../../../src/messages/explain.ts"
import { KeyNotFound, PinRejected, SigningServiceRefused, TokenNotFound } from "../../../src/messages/token-refusals.ts"

const elsewhere = { token: "other", uri: "pkcs11:token=other;object=k", seen: "certificate" } as const
const pin = (reason: PinRejected["reason"]) => new PinRejected({ token: "t", reason })
const clear = /tedge hsm clear-pin-latch$/
const nameToken = /^name that token .*tedge config get device.key_uri$/
const lookAtLog = /^its settings and its PIN count, not this device's: journalctl -u tedge-p11-server$/

it.each<[Failure, RegExp]>([
  [pin("latched"), clear],
  [pin("latchedAll"), clear],
  [pin("reserved"), clear],
  [pin("differs"), /^leave the PIN to the service \(tedge config unset device.key_pin/],
  [pin("incorrect"), lookAtLog],
  [new KeyNotFound({ uri: "pkcs11:token=t;object=k", token: "t", elsewhere }), nameToken],
  [new TokenNotFound({ uri: "pkcs11:token=t;object=k", present: [], forKey: true, elsewhere }), nameToken],
  [new KeyNotFound({ uri: undefined, token: "t", elsewhere: undefined }), lookAtLog]
])("%j over the socket has its own next step", (failure, hint) => {
  const message = `PKCS #11 service failed: ${explain(failure).error}`
  expect(explain(new SigningServiceRefused({ message })).hint).toMatch(hint)
})
