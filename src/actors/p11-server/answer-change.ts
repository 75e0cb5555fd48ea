/** Requests that change a token. A URI outside the scope is refused, never bent to fit. */
import { Effect } from "effect"
import type { KeyParameters } from "../../messages/cryptoki.ts"
import { RequestNotUsable } from "../../messages/p11-server.ts"
import { shownUri } from "../../messages/pkcs11-uri.ts"
import type { WireKeyParameters } from "../../messages/wire/frame1.ts"
import { wirePem } from "../../messages/wire/wire-pem.ts"
import { type Answer, type Fields, type RequestContext, refuseOutside, selected, within } from "./request-context.ts"

export const createKey = (context: RequestContext, request: Fields<"CreateKeyRequest">): Answer =>
  Effect.gen(function* () {
    const token = yield* selected(context, request, "changes")
    const { key, label, id = token.uri.id } = request.params
    yield* refuseOutside(context, { object: label, ...(id === undefined ? {} : { id }) })
    const parameters = yield* keyParameters(key)
    const payload = { token, parameters, label, id, onlyNewLabel: !mayRepeat(context, label) }
    const created = yield* context.cryptoki.ask("CreateKey", payload, { within: within.generate })
    return { _tag: "CreateKeyResponse", pem: wirePem(created.publicKey) ?? "", uri: shownUri(created.uri) }
  })

export const changePin = (context: RequestContext, request: Fields<"ChangePinRequest">): Answer =>
  Effect.gen(function* () {
    const { newPin, oldPin, soPin, reset } = request
    const token = yield* selected(context, { uri: request.uri, pin: oldPin }, "changes")
    if (reset && soPin === undefined) return yield* notUsable("SO PIN missing", undefined)
    const { countedAs } = context.access
    // The SO PIN too is the client's word.
    const meant = reset && countedAs !== undefined ? { ...token, client: countedAs } : token
    const by = reset && soPin !== undefined ? ({ kind: "reset", soPin } as const) : ({ kind: "change" } as const)
    const changed = yield* context.cryptoki.ask("ChangePin", { token: meant, newPin, by }, { within: within.change })
    return { _tag: "ChangePinResponse", uri: shownUri(changed.uri) }
  })

export const deleteKey = (context: RequestContext, request: Fields<"DeleteKeyRequest">): Answer =>
  Effect.gen(function* () {
    const key = yield* selected(context, request, "changes")
    // To be repeated by scripts: what is not there need not be deleted.
    const deleted = yield* context.cryptoki
      .ask("DeleteKey", { key }, { within: within.change })
      .pipe(Effect.catchTag("KeyNotFound", () => Effect.succeed([])))
    return { _tag: "DeleteKeyResponse", deleted: deleted.map(shownUri) }
  })

/**
 * Root and the service's own user, and who has a rule for just this label: a second key with the label of the device's
 * would be taken for it.
 */
const mayRepeat = ({ access }: RequestContext, label: string): boolean =>
  access.isUnlimited || access.scope?.object === label

const keyParameters = (key: WireKeyParameters["key"]): Effect.Effect<KeyParameters, RequestNotUsable> => {
  if (key.type === "ec") {
    const curve = curves[key.curve]
    return curve === undefined ? notUsable("curve", key.curve) : Effect.succeed({ type: "ecdsa", curve })
  }
  const { bits } = key
  return bits === 2048 || bits === 3072 || bits === 4096
    ? Effect.succeed({ type: "rsa", bits })
    : notUsable("rsa key size", bits)
}

const curves: Readonly<Record<number, "p256" | "p384">> = { 256: "p256", 384: "p384" }

const notUsable = (what: RequestNotUsable["what"], value: number | undefined) =>
  Effect.fail(new RequestNotUsable({ what, value: value?.toString() }))
