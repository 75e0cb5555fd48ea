/** What requests to tedge-p11-server have in common: whom they ask, and how a key or token is named to it. */
import { Effect, type Redacted, Result } from "effect"
import type { KeySelector } from "../../../messages/cryptoki.ts"
import { type Pkcs11Uri, parsePkcs11Uri, shownUri } from "../../../messages/pkcs11-uri.ts"
import { SigningServiceGarbled } from "../../../messages/token-refusals.ts"
import type { SocketClient, SocketLimits } from "./socket-client.ts"

export interface SigningService {
  readonly socketPath: string
  readonly limits: SocketLimits
  readonly client: SocketClient
}

export interface WireSelector {
  readonly uri: string | undefined
  readonly pin: Redacted.Redacted<string> | undefined
}

/** A PIN of the URI goes where the PIN goes: services before ours write the URI into their log. */
export const wireSelector = ({ uri, pin }: Pick<KeySelector, "uri" | "pin">): WireSelector => ({
  uri: uri && shownUri(uri),
  pin: uri?.pinValue ?? pin
})

/** The same, for requests that need a URI: one that leaves everything open. */
export const wireSelectorWithUri = (selector: KeySelector): WireSelector & { readonly uri: string } => {
  const { uri, pin } = wireSelector(selector)
  return { uri: uri ?? "pkcs11:", pin }
}

/** A URI of an answer. */
export const uriFromService = (
  { socketPath }: SigningService,
  text: string
): Effect.Effect<Pkcs11Uri, SigningServiceGarbled> => {
  const uri = parsePkcs11Uri(text)
  return Result.isSuccess(uri)
    ? Effect.succeed(uri.success)
    : Effect.fail(new SigningServiceGarbled({ socketPath, detail: `URI: ${uri.failure.reason}` }))
}

/** Where the PIN of a request came from; undefined: it has none. The settings have one place for it. */
export const pinPlace = ({ uri, pin, pinFrom }: KeySelector): string | undefined => {
  if (uri?.pinValue !== undefined) return "pin-value in the key's URI"
  return pin === undefined ? undefined : (pinFrom ?? "device.key_pin")
}
