/**
 * Signs, with one C_Sign for each request that the token serves; with another one where a host ended in the first.
 *
 * `fnUntraced`, as for all that is done thousands of times a second: V8 gives each new generator function a hidden class
 * among its old objects, and keeps what the function had in hand until the next full collection.
 */
import { Effect, Redacted } from "effect"
import type { ChosenKey, Signed } from "../../../messages/cryptoki.ts"
import type { SignatureScheme } from "../../../messages/signature-scheme.ts"
import { PinMissing, SchemeNotSupported, TokenError } from "../../../messages/token-refusals.ts"
import { processMonotonicMs } from "../../../runtime/primitives/process-time.ts"
import { spanned } from "../../../runtime/span.ts"
import { parallelSigns, queuedSigns } from "../host/protocol.ts"
import { countsNot } from "../pin/pin-latch.ts"
import { keyTypeName, schemesOf } from "../pkcs11/key-facts.ts"
import { mechanismCandidates, tlsSignature } from "../pkcs11/signature.ts"
import { tokenName } from "../pkcs11/token-facts.ts"
import { type Asker, type LoginRefusal, latchedToken, pinOf } from "./session.ts"
import type { FoundKey, TokenConnection } from "./token-connection.ts"
import type { TokenContext } from "./token-context.ts"

/** Key and scheme for a handshake, bound to each other: the selector names serial and id. */
export const chosenKey = (found: FoundKey, asker: Asker, offered: ReadonlyArray<SignatureScheme>): ChosenKey => {
  const pin = asker.uri.pinValue ?? asker.pin
  return {
    key: { uri: found.reference, ...(pin ? { pin } : {}) },
    algorithm: found.key.type === "EC" ? "ECDSA" : "RSA",
    scheme: schemesOf(found.key).find((scheme) => offered.includes(scheme))
  }
}

interface SignOrder {
  readonly found: FoundKey
  /** Undefined: the key's preferred one. */
  readonly scheme: SignatureScheme | undefined
  readonly message: Uint8Array
  readonly asker: Asker
  /** When the request was taken on, in milliseconds of `processMonotonicMs`. */
  readonly takenAt: number
}

export const signWith = Effect.fnUntraced(function* (
  context: TokenContext,
  connection: TokenConnection,
  order: SignOrder
): Effect.fn.Return<Signed, SchemeNotSupported | TokenError | LoginRefusal> {
  const { found, takenAt } = order
  const readyAt = processMonotonicMs()
  const scheme = schemesOf(found.key).find((one) => order.scheme === undefined || one === order.scheme)
  if (scheme === undefined)
    return yield* new SchemeNotSupported({
      token: tokenName(connection.token),
      scheme: order.scheme ?? "any",
      keyType: keyTypeName(found.object, found.key)
    })
  const { raw, ...asked } = yield* connection.signing.withPermit(rawSignature(context, connection, order, scheme))
  const signature = tlsSignature(found.key, raw)
  if (signature) return { signature, key: found.uri, times: { takenAt, readyAt, ...asked } }
  return yield* new TokenError({
    token: tokenName(connection.token),
    call: "C_Sign",
    code: "CKR_OK",
    detail: `a signature of ${raw.length} bytes`
  })
})

const rawSignature = Effect.fnUntraced(function* (
  context: TokenContext,
  connection: TokenConnection,
  { found, asker, message }: SignOrder,
  scheme: SignatureScheme
) {
  const { tools } = context
  const candidates = mechanismCandidates(scheme, message)
  const start = Math.min(found.pssIndex, candidates.length - 1)
  const pin = found.object.alwaysAuthenticate ? pinOf(tools, connection.token, asker) : undefined
  if (found.object.alwaysAuthenticate && pin === undefined)
    return yield* new PinMissing({ token: tokenName(connection.token) })
  const asked = {
    slot: connection.token.facts.slot,
    handle: found.object.handle,
    mechanisms: candidates.slice(start),
    contextPin: pin && Redacted.value(pin)
  }
  const { signMs } = tools.settings.limits
  const limitMs = connection.isQuick ? Math.min(signMs, hungAfterMs) : signMs
  const askedAt = processMonotonicMs()
  const call = spanned(
    "token host",
    {},
    reportWhenSlow(context, connection, connection.host.call("sign", asked, limitMs))
  )
  const { signature, mechanismIndex, isQuick, tookMs } = yield* pin
    ? tools.latch.guard(latchedToken(connection.token), pin, { login: call, client: asker.client, logins: countsNot })
    : call
  if (candidates.length > 1) found.pssIndex = start + mechanismIndex
  if (isQuick !== connection.isQuick) setPace(connection, isQuick)
  return { raw: signature, askedAt, answeredAt: processMonotonicMs(), signMs: tookMs }
})

const setPace = (connection: TokenConnection, isQuick: boolean): void => {
  connection.isQuick = isQuick
  connection.signing.resize(isQuick ? queuedSigns : parallelSigns)
}

/** For a token that took less than a millisecond the last time. A new host gets its full time. */
const hungAfterMs = 4000

/** A slow token may wait for a touch: it is logged. */
const reportWhenSlow = <A, E>(
  { tools, times }: TokenContext,
  connection: TokenConnection,
  call: Effect.Effect<A, E>
): Effect.Effect<A, E> =>
  Effect.suspend(() => {
    const telling = tools.publish({ _tag: "TokenWaits", token: tokenName(connection.token), forMs: slowAfterMs })
    const slow = times.start(slowAfterMs, () => times.run(telling))
    return Effect.ensuring(call, Effect.sync(slow.cancel))
  })

const slowAfterMs = 2000
