/** Sentences for PINs: which one was refused, and which were not tried to protect the token. */
import type { LoginDelayed, PinRejected } from "../token-refusals.ts"
import { type Explanation, inBrackets, quoted, seconds } from "./explanation.ts"
import {
  clientTriedFragment,
  differsFragment,
  keptFragment,
  noOtherFragment,
  pausedFragment,
  presentFragment,
  soFragment,
  unansweredFragment,
  untriedFragment
} from "./token-fragments.ts"

export const explainPin = (failure: PinRejected): Explanation => {
  if (failure.pin === "so") return explainSoPin(failure) ?? explainAnyPin(failure)
  if (failure.pin === "current") return explainPresentPin(failure) ?? explainAnyPin(failure)
  return explainAnyPin(failure)
}

const explainAnyPin = (failure: PinRejected): Explanation => {
  const token = `token '${failure.token}'`
  const detail = quoted(failure.detail ?? "")
  switch (failure.reason) {
    case "incorrect":
      return {
        error: `${token}: The specified PIN is incorrect`,
        hint: "it will not be tried again; set the right one: tedge config set device.cryptoki.pin <PIN> (device.key_pin and pin-value in device.key_uri take precedence)"
      }
    case "latched":
      return {
        error: `${token}: The specified PIN is incorrect; it ${untriedFragment}, ${toKeep}`,
        hint: `set the right PIN (tedge config set device.cryptoki.pin <PIN>), or: ${clear}`
      }
    case "latchedAll":
      return { error: `${token}: ${noOtherFragment}; no other is tried, ${toKeep}`, hint: verify }
    case "reserved":
      return { error: `${token}: a PIN was refused, and ${keptFragment}`, hint: verify }
    case "clientTried":
      return { error: `${token}: ${clientTriedFragment}`, hint: `verify the PIN, then as root: ${clear}` }
    case "paused":
      return {
        error: `${token}: ${pausedFragment} ${failure.until ?? "later"} (${seconds(failure.forMs ?? 0)})`,
        hint: `leave the PIN to the service, or as root: ${clear}`
      }
    case "unanswered":
      return {
        error: `${token}: two logins ${unansweredFragment}${inBrackets(detail)}, and no PIN has succeeded yet; no other is tried, ${toKeep}`,
        hint: `find out why the token fails: tedge hsm doctor; verify the PIN, then: ${clear}`
      }
    case "countLow":
      return {
        error: `${token} has counted a wrong PIN (CKF_USER_PIN_COUNT_LOW) and the last login ${unansweredFragment}${inBrackets(detail)}, so no PIN was tried`,
        hint: byHand
      }
    case "recordUnreadable":
      return {
        error: `${token}: the record of refused PINs '${detail}' cannot be read, so no PIN is tried`,
        hint: verify
      }
    case "recordNewer":
      return {
        error: `${token}: the record of refused PINs '${detail}' was written by a newer version: it is kept, and no PIN is tried`,
        hint: `update this program, or verify the PIN, then: ${clear}`
      }
    case "locked":
      return {
        error: `the user PIN of ${token} is locked`,
        hint:
          failure.family === "piv"
            ? "unblock it with the card's PUK: yubico-piv-tool -a unblock-pin, or ykman piv access unblock-pin"
            : "reset it with the SO PIN: tedge hsm change-pin --reset"
      }
    case "expired":
      return { error: `the user PIN of ${token} has expired`, hint: "change it: tedge hsm change-pin" }
    case "finalTry":
      return { error: `${token} has one PIN try left, so no PIN was tried`, hint: byHand }
    case "differs":
      return {
        error: `${token} ${differsFragment}`,
        hint: "use one PIN for one token: check device.cryptoki.pin, device.key_pin and pin-value in the URI"
      }
    case "invalid":
      return { error: `${token} does not accept a PIN of this length or with these characters` }
  }
}

/** Undefined: same as for any PIN. */
const explainSoPin = ({ token: name, reason, detail = "" }: PinRejected): Explanation | undefined => {
  const token = `token '${name}'`
  switch (reason) {
    case "incorrect":
      return {
        error: `${token}: The specified PIN is incorrect: the token refused this ${soFragment}`,
        hint: `it will not be tried again; ${rightSoPin}`
      }
    case "latched":
      return {
        error: `${token}: The specified PIN is incorrect: this ${soFragment} ${untriedFragment}, ${toKeep}`,
        hint: `${rightSoPin}; if this is it: ${clear}`
      }
    case "latchedAll":
      return {
        error: `${token}: two different ${soFragment}s were refused; no other is tried, ${toKeep}`,
        hint: verifySo
      }
    case "unanswered":
      return {
        error: `${token}: two logins with the ${soFragment} ${unansweredFragment}${inBrackets(detail)}; no other is tried, ${toKeep}`,
        hint: verifySo
      }
    case "countLow":
      return {
        error: `${token} has counted a wrong ${soFragment} and the last login with it ${unansweredFragment}${inBrackets(detail)}, so none was tried`,
        hint: bySoHand
      }
    case "locked":
      return {
        error: `the ${soFragment} of ${token} is locked`,
        hint: "use the vendor's tool of the token; usually this erases the token"
      }
    case "expired":
      return {
        error: `the ${soFragment} of ${token} has expired`,
        hint: "change it with the token vendor's tool"
      }
    case "finalTry":
      return { error: `${token} has one ${soFragment} try left, so none was tried`, hint: bySoHand }
    case "invalid":
      return { error: `${token} does not accept an ${soFragment} of this length or with these characters` }
    default:
      return undefined
  }
}

/** The old PIN of a change. */
const explainPresentPin = ({ token: name, reason }: PinRejected): Explanation | undefined => {
  const token = `token '${name}'`
  switch (reason) {
    case "incorrect":
    case "differs":
      return {
        error: `${token}: The specified PIN is incorrect: it ${presentFragment}`,
        hint: `pass the current PIN with --current-pin; if it is lost: tedge hsm change-pin --reset`
      }
    case "latched":
      return {
        error: `${token}: The specified PIN is incorrect: it ${presentFragment}; it ${untriedFragment}, ${toKeep}`,
        hint: `pass the current PIN with --current-pin; if this is it: ${clear}`
      }
    case "expired":
      return {
        error: `the user PIN of ${token} has expired, and the token does not let it be changed`,
        hint: "reset it with the SO PIN: tedge hsm change-pin --reset"
      }
    default:
      return undefined
  }
}

export const explainDelay = ({ token, reason, detail, retryInMs }: LoginDelayed): Explanation => {
  const next = retryInMs === undefined ? "" : `; next attempt in ${seconds(Math.max(retryInMs, 100))} at the earliest`
  switch (reason) {
    case "unanswered":
      return {
        error: `token '${token}': the last login ${unansweredFragment}${inBrackets(detail)}${next}`,
        hint: "retried automatically; if this lasts: tedge hsm doctor"
      }
    case "otherProcess":
      return {
        error: `token '${token}': another process has been logging in for more than a minute${inBrackets(detail)}`,
        hint: detail === "" ? "find the other program that uses the token" : `inspect it: ps -p ${detail}`
      }
    case "tooOften":
      return {
        error: `token '${token}': login rate limit reached${next}`,
        hint: "the token fails after each login: see the messages before this one"
      }
  }
}

const clear = "tedge hsm clear-pin-latch"
const verify = `verify the PIN, then: ${clear}`
const verifySo = `verify the ${soFragment}, then: ${clear}`
const toKeep = "to keep the token from locking"
const rightSoPin = `use the ${soFragment} that the token was initialised with (--so-pin)`
const byHand = "log in once by hand with the right PIN, e.g.: pkcs11-tool --login --list-objects"
const bySoHand = `log in once by hand with the right ${soFragment}, e.g.: pkcs11-tool --login --login-type so`
