/**
 * What the end of a login reveals about its PIN.
 *
 * refused   a refusal of the PIN, by the standard
 * unknown   any other code, a crash, a kill, a hang: the token may have counted a wrong PIN, or not
 * notAsked  the call that passes the PIN was not made, or its PIN had been accepted before
 * Source: PKCS #11 v2.40, 5.1.6 and the return values of C_Login (5.6) and C_SetPIN (5.5).
 */

import type { HostFault } from "../host/faults.ts"
import {
  CKR_FUNCTION_NOT_SUPPORTED,
  CKR_PIN_EXPIRED,
  CKR_PIN_INCORRECT,
  CKR_PIN_INVALID,
  CKR_PIN_LEN_RANGE,
  CKR_PIN_LOCKED,
  CKR_SESSION_READ_ONLY,
  CKR_TOKEN_WRITE_PROTECTED,
  CKR_USER_PIN_NOT_INITIALIZED,
  codeName
} from "../pkcs11/return-codes.ts"
import type { RefusedPin } from "./latch-record.ts"

type LoginOutcome =
  | { readonly kind: "refused"; readonly reason: RefusedPin["reason"] }
  | { readonly kind: "unknown"; readonly detail: string }
  | { readonly kind: "notAsked" }

export const loginOutcome = (fault: HostFault): LoginOutcome => {
  switch (fault._tag) {
    case "CallTimedOut":
      return { kind: "unknown", detail: `${callOf(fault.call)} did not return within ${fault.afterMs / 1000} s` }
    case "HostDied":
      return {
        kind: "unknown",
        detail: `the module ended in ${callOf(fault.call)}${fault.signal === undefined ? "" : ` (${fault.signal})`}`
      }
    case "CallRefused":
      return ofCode(fault.call, fault.code)
    default:
      return { kind: "notAsked" }
  }
}

const ofCode = (call: string, code: number): LoginOutcome => {
  // Without a PIN on the token none can be wrong.
  const bringsPin = call === "C_Login" || call === "C_SetPIN"
  if (!bringsPin || isAboutNewPin(call, code) || code === CKR_USER_PIN_NOT_INITIALIZED) return { kind: "notAsked" }
  if (call === "C_SetPIN" && changesNoPin.has(code)) return { kind: "notAsked" }
  const reason = refusals[code]
  return reason === undefined
    ? { kind: "unknown", detail: `${call} returned ${codeName(code)}` }
    : { kind: "refused", reason }
}

/** All codes that the standard calls a refusal of the PIN. */
const refusals: { readonly [code: number]: RefusedPin["reason"] } = {
  [CKR_PIN_INCORRECT]: "incorrect",
  [CKR_PIN_INVALID]: "invalid",
  [CKR_PIN_LEN_RANGE]: "invalid",
  [CKR_PIN_EXPIRED]: "expired",
  [CKR_PIN_LOCKED]: "locked"
}

/** Returned for any PIN: it cannot be changed here. */
const changesNoPin: ReadonlySet<number> = new Set([
  CKR_SESSION_READ_ONLY,
  CKR_TOKEN_WRITE_PROTECTED,
  CKR_FUNCTION_NOT_SUPPORTED
])

/** C_SetPIN and C_InitPIN return these for the new PIN. */
export const isAboutNewPin = (call: string, code: number): boolean =>
  (call === "C_SetPIN" || call === "C_InitPIN") && (code === CKR_PIN_INVALID || code === CKR_PIN_LEN_RANGE)

/** Of a host's request, the function that passes the PIN. */
const callOf = (request: string): string => calls[request] ?? request

const calls: { readonly [request: string]: string } = {
  login: "C_Login",
  setPin: "C_SetPIN",
  resetPin: "C_Login or C_InitPIN",
  sign: "C_Login or C_Sign"
}
