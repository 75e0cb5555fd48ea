/**
 * Generates a key pair on a token.
 *
 * The key never leaves the token. An existing id is refused before anything is created. If the host exits meanwhile, the key
 * is searched by its id once the token is back, and only then the outcome is reported as unknown.
 */
import { randomBytes } from "node:crypto"
import { Effect, Result } from "effect"
import type { CryptokiProtocol } from "../../../messages/cryptoki.ts"
import { shownUri } from "../../../messages/pkcs11-uri.ts"
import { tokenFamily } from "../../../messages/token-family.ts"
import { keyIdProblem, keyLabelProblem } from "../../../messages/token-names.ts"
import {
  KeyExists,
  KeyGenerationUnsupported,
  LabelTaken,
  type OutcomeUnknown,
  type TokenRefusal
} from "../../../messages/token-refusals.ts"
import type { AnswerOf, PayloadOf } from "../../../runtime/protocol.ts"
import type { HostFault } from "../host/faults.ts"
import { type KeyTemplates, openTemplates, restrictedTemplates } from "../pkcs11/key-templates.ts"
import { CKM_EC_KEY_PAIR_GEN, CKM_RSA_PKCS_KEY_PAIR_GEN } from "../pkcs11/pkcs11-constants.ts"
import { subjectPublicKeyInfo } from "../pkcs11/public-key.ts"
import { quirksOf } from "../pkcs11/quirks.ts"
import {
  CKR_FUNCTION_FAILED,
  CKR_FUNCTION_NOT_SUPPORTED,
  CKR_GENERAL_ERROR,
  codeName,
  faultClass
} from "../pkcs11/return-codes.ts"
import { tokenName } from "../pkcs11/token-facts.ts"
import type { PublicKeyMaterial } from "../pkcs11/values.ts"
import { publicKey } from "./objects.ts"
import { keyUri, listObjects } from "./resolve-key.ts"
import { type Asker, loggedIn, type TokenConnection } from "./session.ts"
import { repairAfter, type TokenContext, withConnection } from "./with-connection.ts"

type KeyOrder = Omit<PayloadOf<CryptokiProtocol, "CreateKey">, "token">
type CreatedKey = AnswerOf<CryptokiProtocol, "CreateKey">

export const createKey = (
  context: TokenContext,
  asker: Asker,
  order: KeyOrder
): Effect.Effect<CreatedKey, TokenRefusal> =>
  Effect.gen(function* () {
    const problem = keyLabelProblem(order.label) ?? (order.id && keyIdProblem(order.id))
    if (problem) return yield* problem
    const id = order.id ?? new Uint8Array(randomBytes(20))
    const made = yield* Effect.result(
      withConnection(context, (connection) =>
        Effect.gen(function* () {
          yield* refuseTakenId(context, connection, asker, id)
          if (order.onlyNewLabel) yield* refuseTakenLabel(context, connection, order.label)
          // A module does one thing at a time: signatures requested before this run first.
          yield* connection.signing.withPermit(Effect.void)
          const material = yield* generate(context, connection, order, id)
          yield* warnWhenNearlyFull(context, connection)
          return { uri: keyUri(connection.token, { id, label: order.label }), material }
        })
      )
    )
    if (Result.isFailure(made))
      return made.failure._tag === "OutcomeUnknown"
        ? yield* lookFor(context, asker, order, id, made.failure)
        : yield* Effect.fail(made.failure)
    const { uri, material } = made.success
    return { uri, publicKey: subjectPublicKeyInfo(material) ?? (yield* publicKey(context, { ...asker, uri })) }
  })

/**
 * OP-TEE's trusted application keeps all objects in 32 KiB of memory; when that is full, every search fails, and keys
 * can no longer be deleted either.
 */
const warnWhenNearlyFull = (context: TokenContext, connection: TokenConnection): Effect.Effect<void> =>
  tokenFamily(connection.token.facts) !== "opTee"
    ? Effect.void
    : listObjects(context.tools, connection, "private", undefined).pipe(
        Effect.flatMap(({ length: keys }) =>
          keys < manyKeys
            ? Effect.void
            : context.tools.publish({ _tag: "TokenNearlyFull", token: tokenName(connection.token), keys })
        ),
        // The key is created: a warning is no reason to refuse.
        Effect.ignore
      )

const manyKeys = 15

const refuseTakenId = (context: TokenContext, connection: TokenConnection, asker: Asker, id: Uint8Array) =>
  Effect.gen(function* () {
    // Private objects are not visible before the login.
    yield* loggedIn(context.tools, connection, asker)
    const asked = { slot: connection.token.facts.slot, id }
    if (yield* connection.host.call("exists", asked, context.tools.settings.limits.listMs))
      return yield* new KeyExists({ token: context.token, id: Buffer.from(id).toString("hex") })
  })

/** Modules and tools drop trailing blanks of a label, so they do not distinguish labels. */
const refuseTakenLabel = (context: TokenContext, connection: TokenConnection, label: string) =>
  Effect.gen(function* () {
    for (const kind of ["private", "public"] as const) {
      const objects = yield* listObjects(context.tools, connection, kind, undefined)
      const same = objects.find((object) => object.label.trimEnd() === label.trimEnd())
      if (same !== undefined)
        return yield* new LabelTaken({ token: context.token, label, uri: shownUri(keyUri(connection.token, same)) })
    }
  })

/**
 * The next template is for tokens that refuse this one's attributes, and for no other fault. Some do so with a
 * generic code: for those the templates without restrictions are next, unless the key exists by then.
 */
const generate = (
  context: TokenContext,
  connection: TokenConnection,
  order: KeyOrder,
  id: Uint8Array
): Effect.Effect<PublicKeyMaterial, TokenRefusal | HostFault> => {
  const { slot } = connection.token.facts
  const { generateMs, listMs } = context.tools.settings.limits
  const names = { id, label: order.label }
  const inTurn = (templates: ReadonlyArray<KeyTemplates>): Effect.Effect<PublicKeyMaterial, HostFault> =>
    templates
      .map((one) => connection.host.call("generate", { slot, ...one }, generateMs))
      .reduce((tried, next) => Effect.catchIf(tried, isTemplateFault, () => next))
  const open = inTurn(openTemplates(order.parameters, names))
  const restricted = Effect.catchIf(
    inTurn(restrictedTemplates(order.parameters, names)),
    (fault) =>
      isTemplateFault(fault) ||
      (fault._tag === "CallRefused" && [CKR_GENERAL_ERROR, CKR_FUNCTION_FAILED].includes(fault.code)),
    (fault) =>
      Effect.flatMap(connection.host.call("exists", { slot, id }, listMs), (isMade) =>
        isMade ? Effect.fail(fault) : open
      )
  )
  const { choosesKeyUses } = quirksOf(connection.token.library, context.tools.settings.environment)
  return (choosesKeyUses ? open : restricted).pipe(
    Effect.catch((fault) =>
      Effect.flatMap(makesNoKeys(context, connection, fault), (refusal) =>
        refusal ? Effect.fail(refusal) : repairAfter(context, connection, fault, "create-key")
      )
    )
  )
}

const isTemplateFault = (fault: HostFault): boolean =>
  fault._tag === "CallRefused" && faultClass(fault.code) === "template"

/**
 * Undefined: the type or the size of the key, or another reason. PIV cards generate keys for their
 * management key only, whatever their module lists.
 */
const makesNoKeys = (
  context: TokenContext,
  connection: TokenConnection,
  fault: HostFault
): Effect.Effect<KeyGenerationUnsupported | undefined> =>
  Effect.gen(function* () {
    if (fault._tag !== "CallRefused" || fault.call !== "C_GenerateKeyPair") return undefined
    const kind = faultClass(fault.code)
    const family = tokenFamily(connection.token.facts)
    const refusal = new KeyGenerationUnsupported({ token: context.token, family, code: codeName(fault.code) })
    if (family === "piv" && kind !== "device") return refusal
    if (kind !== "mechanism" && kind !== "template" && kind !== "request") return undefined
    const listed = yield* connection.host.call(
      "mechanisms",
      { slot: connection.token.facts.slot },
      context.tools.settings.limits.listMs
    )
    const isTold = listed.length > 0 || fault.code === CKR_FUNCTION_NOT_SUPPORTED
    return isTold && !listed.some((one) => keyPairMechanisms.has(one)) ? refusal : undefined
    // Only the error message depends on it.
  }).pipe(Effect.catch(() => Effect.succeed(undefined)))

const keyPairMechanisms: ReadonlySet<number> = new Set([CKM_RSA_PKCS_KEY_PAIR_GEN, CKM_EC_KEY_PAIR_GEN])

/** Finds the key a host may have created before it exited. */
const lookFor = (
  context: TokenContext,
  asker: Asker,
  order: KeyOrder,
  id: Uint8Array,
  unknown: OutcomeUnknown
): Effect.Effect<CreatedKey, TokenRefusal> =>
  Effect.gen(function* () {
    const found = yield* publicKey(context, { ...asker, uri: { ...asker.uri, id, object: order.label } })
    const uri = yield* withConnection(context, (connection) =>
      Effect.succeed(keyUri(connection.token, { id, label: order.label }))
    )
    return { uri, publicKey: found }
    // If the search fails, the outcome remains unknown.
  }).pipe(Effect.catch(() => Effect.fail(unknown)))
