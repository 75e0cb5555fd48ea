/**
 * One request to tedge-p11-server: activates its socket, sends the request, and accepts only the expected response.
 *
 * Source: the signing service's protocol, version 1, "Connection".
 */
import { Effect, type Redacted, Result } from "effect"
import type { KeySelector } from "../../../messages/cryptoki.ts"
import { type Pkcs11Uri, parsePkcs11Uri, shownUri } from "../../../messages/pkcs11-uri.ts"
import { longestServiceText } from "../../../messages/service-fragments.ts"
import {
  SigningServiceRefused,
  SigningServiceResponseInvalid,
  SigningServiceUnreachable,
  type TokenRefusal
} from "../../../messages/token-refusals.ts"
import type { Frame, FrameTag } from "../../../messages/wire/frame1.ts"
import { exchangeFrame } from "../../../platform/sockets/frame-exchange.ts"
import { foreignOwner } from "../../../platform/sockets/socket-io.ts"

/** Time limit of the service, in milliseconds. Longer than its own limits, so that its reason arrives. */
export interface SocketLimits {
  readonly pingMs: number
  readonly signMs: number
  readonly listMs: number
  readonly generateMs: number
  readonly changeMs: number
}

export const defaultSocketLimits: SocketLimits = {
  pingMs: 5_000,
  signMs: 100_000,
  listMs: 60_000,
  generateMs: 660_000,
  changeMs: 180_000
}

interface SocketClient {
  /** With socket activation a first connection starts the service. Failures show in the next request. */
  readonly wake: Effect.Effect<void>
  /** The response named `expected`; an Error frame, or any other, is a refusal. */
  readonly request: <Tag extends FrameTag>(
    request: Frame,
    expected: Tag,
    withinMs: number,
    /** Source of the PIN in the request. */
    ownPin?: string | undefined
  ) => Effect.Effect<Extract<Frame, { readonly _tag: Tag }>, TokenRefusal>
}

/** `owners`: users whose socket is trusted in a directory where every user can create it. */
export const socketClient = (socketPath: string, limits: SocketLimits, owners: ReadonlySet<number>): SocketClient => {
  const ping = Effect.ignore(exchangeFrame(socketPath, { _tag: "Ping" }, limits.pingMs))
  return {
    wake: Effect.suspend(() => (foreignOwner(socketPath, owners) === undefined ? ping : Effect.void)),
    request: (request, expected, withinMs, ownPin) =>
      Effect.gen(function* () {
        const foreign = foreignOwner(socketPath, owners)
        if (foreign !== undefined)
          return yield* new SigningServiceUnreachable({ socketPath, reason: "foreign", detail: String(foreign) })
        // With socket activation the first connection starts the service. Failures show in the request.
        yield* ping
        const answer = yield* exchangeFrame(socketPath, request, withinMs)
        if (answer._tag === "Error")
          return yield* Effect.fail(new SigningServiceRefused({ message: printable(answer.message), ownPin }))
        if (!isNamed(answer, expected))
          return yield* invalidResponse({ socketPath }, `${answer._tag} for ${request._tag}`)
        return answer
      })
  }
}

const isNamed = <Tag extends FrameTag>(frame: Frame, tag: Tag): frame is Extract<Frame, { readonly _tag: Tag }> =>
  frame._tag === tag

/** Another process's text for a log: one line, no control characters, bounded. */
const printable = (text: string): string => {
  const oneLine = text.replace(/[\p{Cc}\p{Zl}\p{Zp}]+/gu, " ").trim()
  return oneLine.length > longestServiceText ? `${oneLine.slice(0, longestServiceText)}...` : oneLine
}

export interface SigningService {
  readonly socketPath: string
  readonly limits: SocketLimits
  readonly client: SocketClient
}

interface WireSelector {
  readonly uri: string | undefined
  readonly pin: Redacted.Redacted<string> | undefined
}

/** A PIN of the URI is sent as the PIN: older services write the URI into their log. */
export const wireSelector = ({ uri, pin }: Pick<KeySelector, "uri" | "pin">): WireSelector => ({
  uri: uri && shownUri(uri),
  pin: uri?.pinValue ?? pin
})

/** The same, for requests that require a URI: one without attributes. */
export const wireSelectorWithUri = (selector: KeySelector): WireSelector & { readonly uri: string } => {
  const { uri, pin } = wireSelector(selector)
  return { uri: uri ?? "pkcs11:", pin }
}

export const invalidResponse = ({ socketPath }: Pick<SigningService, "socketPath">, detail: string) =>
  Effect.fail(new SigningServiceResponseInvalid({ socketPath, detail }))

/** A URI of a response. */
export const uriFromService = (
  service: SigningService,
  text: string
): Effect.Effect<Pkcs11Uri, SigningServiceResponseInvalid> => {
  const uri = parsePkcs11Uri(text)
  return Result.isSuccess(uri) ? Effect.succeed(uri.success) : invalidResponse(service, `URI: ${uri.failure.reason}`)
}

/** The source of a request's PIN; undefined: it has none. */
export const pinPlace = ({ uri, pin, pinFrom }: KeySelector): string | undefined => {
  if (uri?.pinValue !== undefined) return "pin-value in the key's URI"
  return pin === undefined ? undefined : (pinFrom ?? "the PIN of the request")
}
