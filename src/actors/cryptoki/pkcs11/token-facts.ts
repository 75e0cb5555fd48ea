/**
 * A token for the rest of the program: its identity, its display name, its description.
 */
import type { TokenDescription, UserPinState } from "../../../messages/cryptoki.ts"
import { type Pkcs11Uri, printedOnce, shownUri } from "../../../messages/pkcs11-uri.ts"
import type { TokenFacts } from "../../../messages/pkcs11-uri-match.ts"
import { shownText } from "../../../messages/shown-text.ts"
import {
  CKF_LOGIN_REQUIRED,
  CKF_TOKEN_INITIALIZED,
  CKF_USER_PIN_COUNT_LOW,
  CKF_USER_PIN_FINAL_TRY,
  CKF_USER_PIN_INITIALIZED,
  CKF_USER_PIN_LOCKED
} from "./pkcs11-constants.ts"
import type { LibraryFacts, TokenInfo } from "./values.ts"

/** One token of a module, as it was listed. */
export interface Token {
  readonly facts: TokenInfo
  readonly library: LibraryFacts
}

/** The same token in whatever slot it is next time. A label alone is not an identity. */
export const tokenIdentity = ({ facts }: Token): string => identityOf(facts)

/** As `tokenIdentity`, for a token described by another process. */
export const identityOf = (token: Pick<TokenDescription, "manufacturer" | "model" | "serial" | "label">): string =>
  JSON.stringify([token.manufacturer, token.model, token.serial, token.label])

/** The label, or the slot without one. A label before initialisation is ignored. */
export const tokenName = (token: Token): string =>
  token.facts.label === "" || !isInitialized(token) ? `slot ${token.facts.slot}` : shownText(token.facts.label)

export const isInitialized = ({ facts }: Token): boolean => (facts.flags & CKF_TOKEN_INITIALIZED) !== 0

export const wantsLogin = ({ facts }: Token): boolean => (facts.flags & CKF_LOGIN_REQUIRED) !== 0

/** For `matchesToken`. */
export const matchable = ({ facts, library }: Token): TokenFacts => ({
  ...facts,
  slot: Number(facts.slot),
  libraryManufacturer: library.manufacturer,
  libraryDescription: library.description,
  libraryVersion: library.version
})

/** Names the token in any slot; an uninitialised one is named by its slot. */
export const tokenUri = (token: Token): Pkcs11Uri => {
  const { model, manufacturer, serial, label, slot } = token.facts
  return isInitialized(token) ? { model, manufacturer, serial, token: label } : { model, slotId: Number(slot) }
}

/** Its token attributes, without those of an object. */
export const shownTokenPart = printedOnce(({ object: _object, id: _id, type: _type, ...token }) => shownUri(token))

export const describeToken = (token: Token): TokenDescription => ({
  slot: Number(token.facts.slot),
  label: token.facts.label,
  model: token.facts.model,
  manufacturer: token.facts.manufacturer,
  serial: token.facts.serial,
  initialized: isInitialized(token),
  ...(isInitialized(token) && { userPin: userPinState(token) }),
  uri: tokenUri(token)
})

const userPinState = (token: Token): UserPinState => {
  const { flags } = token.facts
  if (!wantsLogin(token)) return "notNeeded"
  if ((flags & CKF_USER_PIN_INITIALIZED) === 0) return "notSet"
  if ((flags & CKF_USER_PIN_LOCKED) !== 0) return "locked"
  if ((flags & CKF_USER_PIN_FINAL_TRY) !== 0) return "finalTry"
  return (flags & CKF_USER_PIN_COUNT_LOW) !== 0 ? "countLow" : "ready"
}
