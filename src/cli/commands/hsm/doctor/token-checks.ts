/** The checks of `tedge hsm doctor` about the token: access, PIN, key, and signatures that verify. */
import { constants, createPublicKey, type KeyObject, randomBytes, verify } from "node:crypto"
import { Effect } from "effect"
import type { ChosenKey, TokenDescription } from "../../../../messages/cryptoki.ts"
import { explainClosed } from "../../../../messages/explain/platform.ts"
import { explain } from "../../../../messages/explain.ts"
import { shownUri } from "../../../../messages/pkcs11-uri.ts"
import { matchesObject, matchesToken } from "../../../../messages/pkcs11-uri-match.ts"
import { mergeScope } from "../../../../messages/pkcs11-uri-scope.ts"
import type { DeviceSettings, Settings } from "../../../../messages/settings/resolved-settings.ts"
import { allSchemes, type SignatureScheme } from "../../../../messages/signature-scheme.ts"
import { CryptokiOff, KeyAmbiguous, PinRejected, TokenAmbiguous } from "../../../../messages/token-refusals.ts"
import { certificationRequest } from "../../../../platform/tls/x509.ts"
import { monotonicNow } from "../../../../runtime/primitives/monotonic-time.ts"
import { touchHint } from "../../../terminal/progress.ts"
import { tokenKey } from "../../cert/device-key.ts"
import { keyRequired } from "../../cert/key-required.ts"
import { cardsRefused, tokenAccess } from "../token-access.ts"
import { askLimits, type CommandContext, comparable, uriOf } from "../token-command.ts"
import type { Examination } from "./examination.ts"

/** Time limit of a signature during a connection. */
const connectionLimitMs = 60_000

/** What these checks need of a command's context and of the settings. */
type Context = { readonly actors: Pick<CommandContext["actors"], "cryptoki"> }
type Device = Pick<DeviceSettings, "key">

/** Compared with the certificate by later checks; undefined: key not found. */
export const tokenChecks = (
  context: Context,
  examination: Examination,
  settings: Pick<Settings, "cryptoki" | "configDir">,
  device: Device
): Effect.Effect<KeyObject | undefined> =>
  Effect.gen(function* () {
    const { cryptoki } = context.actors
    const provider = yield* examination.check("settings", providerText(settings), (text) => text)
    if (provider === undefined) return undefined
    const tokens = yield* examination.check(
      "tokens",
      cryptoki.ask("ListTokens", undefined, { within: askLimits.list }),
      (all) => `${all.length} found: ${all.map(shownToken).join(", ")}`
    )
    yield* accessCheck(examination, settings, device, tokens ?? [])
    if (tokens === undefined) return undefined
    yield* pinState(examination, tokens, device)
    yield* uniqueToken(examination, tokens, settings, device)
    const chosen = yield* examination.check(
      "login and key",
      cryptoki
        .ask("ChooseScheme", { offered: allSchemes, key: device.key }, { within: askLimits.list })
        .pipe(Effect.catchTags(keyRequired(cryptoki, device.key))),
      ({ key, algorithm }) => `${algorithm} key${key.uri === undefined ? "" : ` ${shownUri(key.uri)}`}`
    )
    if (chosen === undefined) return undefined
    yield* uniqueKey(context, examination, device)
    const publicKey = yield* examination.check("public key", readPublicKey(context, chosen), describeKey)
    if (publicKey !== undefined) yield* signatures(context, examination, chosen, publicKey)
    yield* examination.check("certificate commands", requestSigned(context, device), () => "a request was signed")
    return publicKey
  })

const accessCheck = (
  examination: Examination,
  settings: Pick<Settings, "cryptoki" | "configDir">,
  device: Device,
  tokens: ReadonlyArray<TokenDescription>
): Effect.Effect<void> => {
  if (tokens.length === 0)
    return Effect.flatMap(cardsRefused(settings), (refused) =>
      refused === undefined
        ? fileChecks(examination, settings, device, tokens)
        : examination.fail("permissions", refused)
    )
  return fileChecks(examination, settings, device, tokens)
}

/** Tokens of other users beside the device's own are ignored. */
const fileChecks = (
  { pass, fail }: Examination,
  settings: Pick<Settings, "cryptoki" | "configDir">,
  { key }: Device,
  tokens: ReadonlyArray<TokenDescription>
): Effect.Effect<void> => {
  const { user, closed } = tokenAccess(settings, process.env)
  if (user === undefined) return Effect.void
  const meant = comparable(key.uri ?? {})
  const isThere = tokens.some((token) => token.initialized && matchesToken(meant, token))
  const wanting = closed.filter(({ isToken }) => !(isToken && isThere))
  return wanting.length === 0
    ? pass("permissions", `'${user}' may use the files of the token`)
    : Effect.forEach(wanting, (one) => fail("permissions", explainClosed(one)), { discard: true })
}

/** A label before initialisation (32 asterisks on OP-TEE) is not a label. */
const shownToken = ({ initialized, label, slot }: TokenDescription): string =>
  initialized ? label || `slot ${slot}` : `slot ${slot} (not initialised)`

/** From the token's flags, without a PIN attempt. tedge-p11-server does not report them. */
const pinState = (
  { pass, fail }: Examination,
  tokens: ReadonlyArray<TokenDescription>,
  { key }: Device
): Effect.Effect<void> => {
  const meant = tokens.find((token) => token.initialized && matchesToken(key.uri ?? {}, token))
  if (meant?.userPin === undefined) return Effect.void
  const { label, userPin } = meant
  switch (userPin) {
    case "notNeeded":
      return pass(pinStateCheck, "the token requires none")
    case "ready":
      return pass(pinStateCheck, "set; the token's flags show no wrong one and no lock")
    case "countLow":
      return pass(pinStateCheck, "set; the token counts a wrong one since the last login")
    case "notSet":
      return fail(pinStateCheck, {
        error: `token '${label}' has no user PIN yet`,
        hint: "set one by the SO PIN: tedge hsm change-pin --reset"
      })
    case "locked":
    case "finalTry":
      return fail(pinStateCheck, explain(new PinRejected({ token: label, reason: userPin })))
  }
}

const pinStateCheck = "PIN state"

const providerText = ({ cryptoki }: Pick<Settings, "cryptoki">): Effect.Effect<string, CryptokiOff> => {
  switch (cryptoki.mode) {
    case "off":
      return Effect.fail(new CryptokiOff({ missing: "device.cryptoki.mode" }))
    case "module":
      return cryptoki.modulePath === undefined
        ? Effect.fail(new CryptokiOff({ missing: "device.cryptoki.module_path" }))
        : Effect.succeed(`mode module, ${cryptoki.modulePath}`)
    case "socket":
      return Effect.succeed(`mode socket, ${cryptoki.socketPath}`)
  }
}

/** Without a URI that distinguishes the tokens, the module's first is used: after a restart, perhaps another. */
const uniqueToken = (
  { pass, fail }: Examination,
  tokens: ReadonlyArray<TokenDescription>,
  { cryptoki }: Pick<Settings, "cryptoki">,
  { key }: Device
): Effect.Effect<void> => {
  const scope = cryptoki.mode === "module" ? cryptoki.uri : undefined
  const meant = comparable(mergeScope(scope, key.uri ?? {}).uri)
  const [first, ...others] = tokens.filter((token) => token.initialized && matchesToken(meant, token))
  if (first === undefined) return Effect.void
  return others.length === 0
    ? pass("token is unambiguous", shownUri(first.uri))
    : fail("token is unambiguous", explain(new TokenAmbiguous({ candidates: [first, ...others].map(uriOf) })))
}

/** Several matching keys are used in the token's order, which may change. */
const uniqueKey = ({ actors }: Context, examination: Examination, { key }: Device) => {
  const listed = actors.cryptoki.ask("ListKeys", { token: key }, { within: askLimits.list })
  const unique = Effect.flatMap(listed, (keys) => {
    const matching = keys.filter((one) => one.kind === "private" && matchesObject(key.uri ?? {}, one))
    return matching.length > 1
      ? Effect.fail(new KeyAmbiguous({ candidates: matching.map((one) => shownUri(one.uri)) }))
      : Effect.succeed(matching)
  })
  return examination.check("key is unambiguous", unique, () => "yes")
}

const readPublicKey = ({ actors }: Context, { key }: ChosenKey) =>
  Effect.map(actors.cryptoki.ask("PublicKey", { key }, { within: askLimits.list }), (der) =>
    createPublicKey({ key: Buffer.from(der), format: "der", type: "spki" })
  )

/** As `tedge cert create-csr` does it, starting with the choice of the key. */
const requestSigned = ({ actors }: Context, { key: wanted }: Device) =>
  Effect.flatMap(tokenKey(actors.cryptoki, wanted), ({ certify, publicKey, scheme }) =>
    certify(certificationRequest({ commonName: "doctor", organization: "", organizationUnit: "" }, publicKey, scheme))
  )

const describeKey = (key: KeyObject): string =>
  key.asymmetricKeyType === "rsa"
    ? `RSA ${key.asymmetricKeyDetails?.modulusLength ?? ""} bits`
    : `EC ${key.asymmetricKeyDetails?.namedCurve ?? ""}`

/** Mechanism lists are unreliable; a signature that verifies is not. */
const signatures = (context: Context, examination: Examination, chosen: ChosenKey, publicKey: KeyObject) =>
  Effect.forEach(
    chosen.algorithm === "RSA"
      ? (["rsa_pss_rsae_sha256", "rsa_pkcs1_sha256"] as const)
      : chosen.scheme === undefined
        ? []
        : [chosen.scheme],
    (scheme) =>
      Effect.gen(function* () {
        const message = randomBytes(64)
        const from = yield* monotonicNow
        const asked = context.actors.cryptoki.ask(
          "Sign",
          { key: chosen.key, scheme, message },
          { within: askLimits.list }
        )
        const signed = yield* examination.check(
          `signs ${scheme}`,
          asked,
          (signed) => `${signed.signature.length} bytes`,
          touchHint
        )
        const tookMs = (yield* monotonicNow) - from
        if (signed === undefined) return
        yield* verifies(scheme, message, publicKey, signed.signature)
          ? examination.pass("signature verifies", `with the public key, after ${tookMs} ms`)
          : examination.fail("signature verifies", {
              error: `the signature for ${scheme} does not match the public key on the token`,
              hint: "private and public key objects with the same id belong to different pairs: list them with tedge hsm list-keys"
            })
        yield* tookMs < connectionLimitMs / 2
          ? examination.pass("signing time", `${tookMs} ms of the ${connectionLimitMs / 1000} s a connection waits`)
          : examination.fail("signing time", {
              error: `${tookMs} ms, and a connection waits ${connectionLimitMs / 1000} s`,
              hint: "a smaller key, or ECDSA instead of RSA, signs faster"
            })
      }),
    { discard: true }
  )

const verifies = (scheme: SignatureScheme, message: Uint8Array, key: KeyObject, signature: Uint8Array): boolean => {
  const hash = `sha${scheme.slice(-3)}`
  const padding = scheme.startsWith("rsa_pss")
    ? { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: constants.RSA_PSS_SALTLEN_DIGEST }
    : {}
  return verify(hash, message, { key, ...padding }, signature)
}
