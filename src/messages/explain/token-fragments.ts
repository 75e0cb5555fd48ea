/** Words about a token that are known again in what the signing service says over its socket: only a text travels there. */
import type { KeyOnOtherToken } from "../token-refusals.ts"

export const untriedFragment = "was refused before and was not tried again"
export const keptFragment = "the one try that is left is kept for the PIN that succeeded last, or the configured one"
export const clientTriedFragment = "a PIN that this user gave was refused, and the tries that are left are for others"
/** Followed by a moment. */
export const pausedFragment = "this user gave too many wrong PINs; its PINs are not looked at until"
export const unansweredFragment = "ended without an answer"
export const presentFragment = "is not the present user PIN"
export const soFragment = "SO PIN"
export const noOtherFragment = "two different PINs were refused"
export const differsFragment = "is open with another PIN than the one given"
export const outsideScopeFragment = "lies outside of what device.cryptoki.uri allows"
export const unknownFragment = "was cut off, and whether it was done is not known"

/** Followed by `is on token '…'`. */
export const seenFragment: Readonly<Record<KeyOnOtherToken["seen"], string>> = {
  privateKey: "a key like that",
  publicKey: "the public half of such a key",
  certificate: "the certificate of such a key"
}
