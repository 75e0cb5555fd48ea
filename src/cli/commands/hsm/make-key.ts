/**
 * Generates a keypair on the token, under an id chosen beforehand: if the command is interrupted, it can name the key that
 * may exist on the token.
 */
import { randomBytes } from "node:crypto"
import { Effect } from "effect"
import type { KeyParameters } from "../../../messages/cryptoki.ts"
import { unknownFragment } from "../../../messages/explain/token-fragments.ts"
import { KeyOutcomeUnknown } from "../../../messages/hsm.ts"
import { shownUri } from "../../../messages/pkcs11-uri.ts"
import type { TokenRefusal } from "../../../messages/token-refusals.ts"
import type { AskFailed } from "../../../runtime/errors.ts"
import { whileWaiting } from "../../terminal/progress.ts"
import { askLimits, type CommandContext, type selectorFor } from "./token-command.ts"

interface KeyOrder {
  readonly token: ReturnType<typeof selectorFor>
  readonly parameters: KeyParameters
  readonly label: string
  readonly id: Uint8Array
}

/** PKCS#11 sets no length; same length as a SHA-1 key identifier (RFC 5280, 4.2.1.2), and as thin-edge's. */
export const randomKeyId = (): Uint8Array => new Uint8Array(randomBytes(20))

export const makeKey = ({ actors, terminal }: CommandContext, { token, parameters, label, id }: KeyOrder) => {
  const { pinValue: _pin, type: _type, ...place } = token.uri ?? {}
  const perhaps = (cause: KeyOutcomeUnknown["cause"]) =>
    new KeyOutcomeUnknown({ uri: shownUri({ ...place, id, object: label }), cause })
  const kind = parameters.type === "rsa" ? `RSA ${parameters.bits}` : `ECDSA ${curveNames[parameters.curve]}`
  const made = actors.cryptoki.ask("CreateKey", { token, parameters, label, id }, { within: askLimits.generate })
  return whileWaiting(terminal, { title: `waiting for the token to generate the ${kind} key` }, made).pipe(
    Effect.mapError((failure) => (isUncertain(failure) ? perhaps(failure) : failure)),
    Effect.onInterrupt(() => terminal.failure(perhaps(undefined)))
  )
}

const curveNames = { p256: "P-256", p384: "P-384" } as const

/** The request was sent, and its outcome is unknown. */
export const isUncertain = (failure: TokenRefusal | AskFailed): boolean => {
  switch (failure._tag) {
    case "OutcomeUnknown":
    case "AskTimeout":
    case "PeerDown":
    case "SigningServiceResponseInvalid":
      return true
    case "SigningServiceRefused":
      return failure.message.includes(unknownFragment)
    case "SigningServiceUnreachable":
      return failure.reason === "silent" || failure.reason === "closedEarly"
    default:
      return false
  }
}
