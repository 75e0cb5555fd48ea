/**
 * A token as the rest of the program sees it: its identity, its name for people, its description.
 */
import type { TokenDescription } from "../../messages/cryptoki.ts"
import { type Pkcs11Uri, printPkcs11Uri } from "../../messages/pkcs11-uri.ts"
import type { TokenFacts } from "../../messages/pkcs11-uri-match.ts"
import type { HostToken, LibraryFacts } from "./host-protocol.ts"
import { CKF_LOGIN_REQUIRED, CKF_TOKEN_INITIALIZED } from "./pkcs11-constants.ts"

/** One token of a module, as it was listed. */
export interface Token {
  readonly facts: HostToken
  readonly library: LibraryFacts
}

/** The same token in whatever slot it is next time. A label alone does not make it the same. */
export const tokenIdentity = ({ facts }: Token): string => identityOf(facts)

/** As `tokenIdentity`, for a token that another process describes. */
export const identityOf = (token: Pick<TokenDescription, "manufacturer" | "model" | "serial" | "label">): string =>
  JSON.stringify([token.manufacturer, token.model, token.serial, token.label])

/** The label, or the slot when there is none. */
export const tokenName = ({ facts }: Token): string => (facts.label === "" ? `slot ${facts.slot}` : facts.label)

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

/** Names the token wherever it is plugged; one that is not initialised has no name but its slot. */
export const tokenUri = (token: Token): Pkcs11Uri => {
  const { model, manufacturer, serial, label, slot } = token.facts
  return isInitialized(token) ? { model, manufacturer, serial, token: label } : { model, slotId: Number(slot) }
}

export const shownUri = (uri: Pkcs11Uri): string => printPkcs11Uri(uri, { pin: "redacted" })

export const describeToken = (token: Token): TokenDescription => ({
  slot: Number(token.facts.slot),
  label: token.facts.label,
  model: token.facts.model,
  manufacturer: token.facts.manufacturer,
  serial: token.facts.serial,
  initialized: isInitialized(token),
  uri: tokenUri(token)
})
