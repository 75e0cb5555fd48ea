/** Fragments by which messages of the signing service are recognised: its protocol transmits only text. */
import type { ClosedFile, KeyOnOtherToken } from "../token-refusals.ts"

export const untriedFragment = "was refused before and was not tried again"
export const keptFragment = "the last try is reserved for the PIN that last succeeded, or the configured one"
export const clientTriedFragment = "a PIN given by this user was refused; the remaining tries are reserved for others"
/** Followed by a time. */
export const pausedFragment = "this user gave too many wrong PINs; its PINs are not checked until"
export const unansweredFragment = "had an unknown outcome"
export const presentFragment = "is not the current user PIN"
export const soFragment = "SO PIN"
export const noOtherFragment = "two different PINs were refused"
export const differsFragment = "is logged in with a different PIN"
export const outsideScopeFragment = "is outside the scope of device.cryptoki.uri"
export const unknownFragment = "was interrupted, and its outcome is unknown"

/** Followed by `is on token '…'`. */
export const seenFragment: Readonly<Record<KeyOnOtherToken["seen"], string>> = {
  privateKey: "a key like that",
  publicKey: "the public half of such a key",
  certificate: "the certificate of such a key"
}

const closedFragment = "is not accessible to the user"

export const explainClosedFile = ({ path, user, code }: ClosedFile): string =>
  `'${path}' ${closedFragment} '${user}' (${code})`

/** The second half of an error. */
export const closedWords = (file: ClosedFile | undefined): string =>
  file === undefined ? "" : `; ${explainClosedFile(file)}`

/** Parsed by a client of the service. */
export const closedIn = (message: string): ClosedFile | undefined => {
  const [, path, user, code] = new RegExp(`; '([^']+)' ${closedFragment} '([^']+)' \\((E[A-Z]+)\\)`).exec(message) ?? []
  return path === undefined || user === undefined || code === undefined ? undefined : { path, user, code }
}
