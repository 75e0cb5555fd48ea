/**
 * One token in use: a child actor of CryptokiActor, with a token host of its own; and its signatures.
 *
 * Requests run side by side; what they share (session, login, keys) is prepared by one of them at a time. A signature is
 * one C_Sign for each request that the token serves, and another one where a host ended in the first.
 *
 * `fnUntraced`, as for all that is done thousands of times a second: V8 gives each new generator function a hidden class
 * among its old objects, and keeps what the function referenced until the next full collection.
 */
import { Effect, Redacted } from "effect"
import type {
  ChosenKey,
  CryptokiProtocol,
  KeyDescription,
  Signed,
  TokenDescription
} from "../../../messages/cryptoki.ts"
import type { Pkcs11Uri } from "../../../messages/pkcs11-uri.ts"
import type { SignatureScheme } from "../../../messages/signature-scheme.ts"
import { PinMissing, SchemeNotSupported, TokenError, type TokenRefusal } from "../../../messages/token-refusals.ts"
import type { Behaviour } from "../../../runtime/actor.ts"
import { processMonotonicMs } from "../../../runtime/primitives/process-time.ts"
import type { AnswerOf, Ask, PayloadOf, Tell } from "../../../runtime/protocol.ts"
import { spanned } from "../../../runtime/span.ts"
import { parallelSigns, queuedSigns } from "../host/protocol.ts"
import { countsNot } from "../pin/pin-latch.ts"
import { keyTypeName, mechanismCandidates, schemesOf, tlsSignature } from "../pkcs11/signature.ts"
import { tokenName } from "../pkcs11/token-facts.ts"
import { changePin } from "./change-pin.ts"
import { createKey } from "./create-key.ts"
import { deleteKey, listKeys, publicKey } from "./objects.ts"
import { type Asker, type FoundKey, type LoginRefusal, latchedToken, pinOf, type TokenConnection } from "./session.ts"
import { openTokenContext, revalidateKey, type TokenActorSpec, type TokenContext, withKey } from "./with-connection.ts"

export type TokenProtocol = {
  readonly Choose: Ask<
    { readonly asker: Asker; readonly offered: ReadonlyArray<SignatureScheme> },
    ChosenKey,
    TokenRefusal
  >
  readonly Sign: Ask<
    { readonly asker: Asker; readonly scheme: SignatureScheme | undefined; readonly message: Uint8Array },
    Signed,
    TokenRefusal
  >
  readonly PublicKey: Ask<{ readonly asker: Asker }, Uint8Array, TokenRefusal>
  readonly ListKeys: Ask<{ readonly asker: Asker }, ReadonlyArray<KeyDescription>, TokenRefusal>
  readonly CreateKey: Ask<
    { readonly asker: Asker; readonly order: Omit<PayloadOf<CryptokiProtocol, "CreateKey">, "token"> },
    AnswerOf<CryptokiProtocol, "CreateKey">,
    TokenRefusal
  >
  readonly ChangePin: Ask<
    { readonly asker: Asker; readonly order: Omit<PayloadOf<CryptokiProtocol, "ChangePin">, "token"> },
    TokenDescription,
    TokenRefusal
  >
  readonly DeleteKey: Ask<{ readonly asker: Asker }, ReadonlyArray<Pkcs11Uri>, TokenRefusal>
  /** Something was created by another process or host: what is not found may be there by now. */
  readonly Outdated: Tell<void>
}

export const tokenActorBehaviour = (spec: TokenActorSpec): Behaviour<TokenProtocol> => ({
  concurrent: {
    tags: ["Choose", "Sign", "PublicKey", "ListKeys", "CreateKey", "ChangePin", "DeleteKey"],
    // The rest waits in the mailbox: the one queue of a token's requests.
    inFlight: 64
  },
  init: (actor) =>
    Effect.gen(function* () {
      const context = yield* openTokenContext(spec, (effect) => actor.task("looking after the token", effect))
      return {
        Choose: ({ asker, offered }) =>
          withKey(context, asker, (connection, found) =>
            Effect.map(revalidateKey(context, connection, found), () => chosenKey(found, asker, offered))
          ),
        Sign: ({ asker, scheme, message }) => {
          const takenAt = processMonotonicMs()
          return withKey(context, asker, (connection, found) =>
            signWith(context, connection, { found, scheme, message, asker, takenAt })
          )
        },
        PublicKey: ({ asker }) => publicKey(context, asker),
        ListKeys: ({ asker }) => listKeys(context, asker),
        CreateKey: ({ asker, order }) => createKey(context, asker, order),
        ChangePin: ({ asker, order }) => changePin(context, asker, order),
        DeleteKey: ({ asker }) => deleteKey(context, asker),
        Outdated: () =>
          Effect.sync(() => {
            context.refreshed.clear()
            context.mayRefreshAt = 0
          })
      }
    })
})

/** Key and scheme for a handshake, bound to each other: the selector names serial and id. */
const chosenKey = (found: FoundKey, asker: Asker, offered: ReadonlyArray<SignatureScheme>): ChosenKey => {
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

const signWith = Effect.fnUntraced(function* (
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
  if (isQuick !== connection.isQuick) {
    connection.isQuick = isQuick
    connection.signing.resize(isQuick ? queuedSigns : parallelSigns)
  }
  return { raw: signature, askedAt, answeredAt: processMonotonicMs(), signMs: tookMs }
})

/** For a token that took less than a millisecond the last time. A new host gets its full time. */
const hungAfterMs = 4000

/** A slow token may wait for a touch: it is logged. */
const reportWhenSlow = <A, E>(
  { tools, times }: TokenContext,
  connection: TokenConnection,
  call: Effect.Effect<A, E>
): Effect.Effect<A, E> =>
  Effect.suspend(() => {
    const slow = times.start(slowAfterMs, () =>
      times.run(tools.publish({ _tag: "TokenWaits", token: tokenName(connection.token), forMs: slowAfterMs }))
    )
    return Effect.ensuring(call, Effect.sync(slow.cancel))
  })

const slowAfterMs = 2000
