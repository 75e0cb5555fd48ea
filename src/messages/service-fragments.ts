/**
 * Classifies a refusal of a signing service, by fragments of its message: those that are part of the protocol (version 1,
 * "Meaning"), and those of our own service.
 */

/** Maximum length of an Error frame, in characters: twenty candidates with all their attributes. Longer text is truncated by either side. */
export const longestServiceText = 4000

interface Refused {
  readonly message: string
}

/** The service does not know the request: it is older than that part of the protocol. */
export const isTooOld = ({ message }: Refused): boolean => message.includes("Failed to parse the received frame")

export const tellsNoPublicKey = ({ message }: Refused): boolean => message.includes("does not tell the public key")

export const lacksKey = ({ message }: Refused): boolean => message.includes("Failed to find a key")

/** Changing a PIN, thin-edge's service has words of its own for it. */
export const lacksToken = ({ message }: Refused): boolean =>
  message.includes("Didn't find a slot to use") || message.includes("No initialized token was found")

export const refusesPin = ({ message }: Refused): boolean => message.includes("The specified PIN is incorrect")

/** None of the offered schemes fits the key. */
export const lacksScheme = ({ message }: Refused): boolean => message.includes("failed to choose scheme")

/** Followed by URIs, in the errors of our service for a missing key or token. */
export const keysFragment = "keys found: "
export const tokensFragment = "tokens found: "

/** In the errors of our service that its scope explains. */
export const scopeOfService = "device.cryptoki.uri of tedge-p11-server"

export const isAboutScope = ({ message }: Refused): boolean => message.includes(scopeOfService)

/** The rule that would allow the request, as our service prints it; undefined: none. */
export const ruleIn = ({ message }: Refused): ReadonlyArray<string> | undefined =>
  /(\[\[p11_server\.rules\]\])\s+(uid = \d+)\s+(operations = \[[a-z", -]*\])/.exec(message)?.slice(1)

/** The client has no right to the operation. */
export const forbids = ({ message }: Refused, operation: string): boolean =>
  message.includes(`may not do this (${operation})`)
