/**
 * Prepares the signature of one handshake: the key is found once, bound, and compared with the certificate
 * before anything is sent.
 */
import type { X509Certificate } from "node:crypto"
import { Cause, type Context, Effect, Exit } from "effect"
import type { CryptokiProtocol, KeySelector, Signed } from "../../../messages/cryptoki.ts"
import { KeyMismatch, SigningFailed, SigningInterrupted } from "../../../messages/mqtt.ts"
import { shownUri } from "../../../messages/pkcs11-uri.ts"
import { shownText } from "../../../messages/shown-text.ts"
import { allSchemes, schemeOf } from "../../../messages/signature-scheme.ts"
import { SchemeNotSupported, type TokenRefusal } from "../../../messages/token-refusals.ts"
import type { TlsSigner } from "../../../platform/tls/tls-client-signature.ts"
import type { AskFailed } from "../../../runtime/errors.ts"
import { measured } from "../../../runtime/measurements.ts"
import type { ActorRef } from "../../../runtime/protocol.ts"
import { spanned } from "../../../runtime/span.ts"
import type { Stopwatch } from "./stopwatch.ts"

interface KeySigner {
  /** Its work is part of the caller's span: the handshake. */
  readonly signIn: (context: Context.Context<never>) => TlsSigner
}

interface SignerOptions {
  readonly cryptoki: ActorRef<CryptokiProtocol>
  /** The peer of the connection, for refusals. */
  readonly host: string
  readonly key: KeySelector
  readonly withinMs: number
  /** Runs while the token signs. */
  readonly stopwatch: Stopwatch
  readonly certPath: string
  /** The device's own. */
  readonly certificate: X509Certificate
}

/** The signer's promise rejects with SigningFailed; its abort signal interrupts the ask. */
export const prepareSigner = (options: SignerOptions): Effect.Effect<KeySigner, SigningFailed | KeyMismatch> =>
  Effect.gen(function* () {
    const { cryptoki, key, withinMs } = options
    const { measure } = options.stopwatch
    const within = { within: withinMs }
    const refused = (cause: TokenRefusal | AskFailed) =>
      new SigningFailed({ host: options.host, cause: interruption(cause, withinMs) ?? (cause as TokenRefusal) })
    const certified = new Uint8Array(spkiOf(options.certificate))
    const chosen = yield* Effect.mapError(
      measure(
        "choose scheme",
        spanned(
          "choose scheme",
          {},
          cryptoki.ask("ChooseScheme", { offered: allSchemes, key, publicKey: certified }, within)
        )
      ),
      refused
    )
    // Not every token returns the public key; the signature itself is verified with the certificate later.
    const publicKey = yield* Effect.option(
      measure("public key", cryptoki.ask("PublicKey", { key: chosen.key }, within))
    )
    const spki = publicKey._tag === "Some" ? publicKey.value : undefined
    const isOther = spki !== undefined && Buffer.compare(spki, certified) !== 0
    const used = isOther
      ? yield* measure("key of the certificate", keyOfCertificate(cryptoki, key, certified, withinMs))
      : chosen.key
    if (used === undefined) return yield* Effect.fail(new KeyMismatch({ certPath: options.certPath, key: nameOf(key) }))
    if (isOther)
      yield* Effect.logWarning(
        `'${nameOf(key)}' is not the key of the certificate '${options.certPath}'; signing with that key: '${nameOf(used)}'`
      )
    const signIn: KeySigner["signIn"] = (context) => async (codePoint, message, abort) => {
      const attributes = () => ({ "tedge.signature.scheme": schemeOf(codePoint) })
      const signed = measured("signature", signWith(cryptoki, used, codePoint, message, withinMs))
      const asked = Effect.mapError(spanned("sign", { attributes }, signed), refused)
      const exit = await Effect.runPromiseExitWith(context)(measure("sign", asked, tokenOf), { signal: abort })
      if (Exit.isSuccess(exit)) return exit.value.signature
      throw Cause.squash(exit.cause)
    }
    return { signIn }
  })

/**
 * The certificate's key on the token of `key`, under another name: during a key change the settings name the new key, and
 * the current certificate is for the old one. Undefined: none.
 */
export const keyOfCertificate = (
  cryptoki: ActorRef<CryptokiProtocol>,
  { uri = {}, pin }: KeySelector,
  publicKey: Uint8Array,
  withinMs: number
): Effect.Effect<KeySelector | undefined> =>
  Effect.gen(function* () {
    const { object, id, ...token } = uri
    if (object === undefined && id === undefined) return undefined
    const within = { within: withinMs }
    const key = { uri: token, ...(pin !== undefined && { pin }) }
    const chosen = yield* cryptoki.ask("ChooseScheme", { offered: allSchemes, key, publicKey }, within)
    const half = yield* cryptoki.ask("PublicKey", { key: chosen.key }, within)
    return Buffer.compare(half, publicKey) === 0 ? chosen.key : undefined
  }).pipe(Effect.catch(() => Effect.succeed(undefined))) // the mismatch of the named key is reported

/** The same, once a signature is needed. */
export const prepareSignerLater = (options: SignerOptions): Effect.Effect<KeySigner> =>
  Effect.succeed({
    signIn: (context) => async (codePoint, message, abort) => {
      const prepared = await Effect.runPromiseExitWith(context)(prepareSigner(options), { signal: abort })
      if (Exit.isSuccess(prepared)) return prepared.value.signIn(context)(codePoint, message, abort)
      throw Cause.squash(prepared.cause)
    }
  })

const signWith = (
  cryptoki: ActorRef<CryptokiProtocol>,
  key: KeySelector,
  codePoint: number,
  message: Uint8Array,
  withinMs: number
) => {
  const scheme = schemeOf(codePoint)
  return scheme === undefined
    ? Effect.fail(new SchemeNotSupported({ token: nameOf(key), scheme: `0x${codePoint.toString(16)}`, keyType: "" }))
    : cryptoki.ask("Sign", { key, scheme, message }, { within: withinMs })
}

/** Its name as in the events of the token; undefined: not reported by the signing service. */
const tokenOf = (exit: Exit.Exit<Signed, SigningFailed>): string | undefined => {
  if (Exit.isSuccess(exit)) {
    const label = exit.value.key?.token
    return label === undefined || label === "" ? undefined : shownText(label)
  }
  const failure = Exit.findErrorOption(exit)
  if (failure._tag === "None") return undefined
  const { cause } = failure.value
  return "token" in cause ? cause.token : undefined
}

const interruption = (cause: TokenRefusal | AskFailed, withinMs: number): SigningInterrupted | undefined => {
  switch (cause._tag) {
    case "AskTimeout":
      return new SigningInterrupted({ reason: "timeout", afterMs: cause.withinMs })
    case "PeerDown":
      return new SigningInterrupted({ reason: "down", afterMs: withinMs })
    case "Undeliverable":
      return new SigningInterrupted({
        reason: cause.reason,
        afterMs: 0,
        ...(cause.retryInMs !== undefined && { retryInMs: cause.retryInMs })
      })
    default:
      return undefined
  }
}

/** SubjectPublicKeyInfo, DER. */
export const spkiOf = (certificate: X509Certificate): Buffer =>
  certificate.publicKey.export({ format: "der", type: "spki" })

export const nameOf = (key: KeySelector): string => (key.uri === undefined ? "pkcs11:" : shownUri(key.uri))
