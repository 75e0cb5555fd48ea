/**
 * The public half of a private key, from whatever object of the token reports it.
 *
 * First the public object with the same id (without an id: the same label), then the private one itself, then a
 * certificate with the same id: vendors' tools often leave only that beside the key.
 */
import { Effect } from "effect"
import type { HostFault } from "../host/faults.ts"
import { certificateKeyInfo, subjectPublicKeyInfo } from "../pkcs11/public-key.ts"
import type { PublicKeyMaterial, TokenObject } from "../pkcs11/values.ts"
import type { TokenConnection, TokenTools } from "./session.ts"

/** SubjectPublicKeyInfo, DER; undefined when no object of the token reports it. */
export const publicHalf = (
  tools: TokenTools,
  connection: TokenConnection,
  object: TokenObject
): Effect.Effect<Uint8Array | undefined, HostFault> =>
  Effect.gen(function* () {
    const objects = yield* listObjects(tools, connection, "public", object.id)
    const partner = objects.find(
      ({ keyType, label }) => keyType === object.keyType && (object.id.length > 0 || label === object.label)
    )
    return (
      (yield* readPublicHalf(tools, connection, partner ? [partner, object] : [object])) ??
      (yield* certified(tools, connection, object))
    )
  })

/** Of the first object that reports enough. */
export const readPublicHalf = (
  tools: TokenTools,
  connection: TokenConnection,
  objects: ReadonlyArray<TokenObject>
): Effect.Effect<Uint8Array | undefined, HostFault> =>
  Effect.gen(function* () {
    for (const object of objects) {
      const info = subjectPublicKeyInfo(yield* readMaterial(tools, connection, object))
      if (info) return info
    }
    return undefined
  })

const certified = (
  tools: TokenTools,
  connection: TokenConnection,
  { id, label }: TokenObject
): Effect.Effect<Uint8Array | undefined, HostFault> => {
  if (id.length === 0 && label === "") return Effect.succeed(undefined)
  const asked = id.length > 0 ? { id, label: undefined } : { id: undefined, label }
  return Effect.map(
    connection.host.call("certificates", { slot: connection.token.facts.slot, ...asked }, tools.settings.limits.listMs),
    (certificates) => certificates.map(certificateKeyInfo).find((info) => info !== undefined)
  )
}

export const listObjects = (
  tools: TokenTools,
  connection: TokenConnection,
  kind: TokenObject["kind"],
  id: Uint8Array | undefined,
  uses = false
): Effect.Effect<ReadonlyArray<TokenObject>, HostFault> =>
  connection.host.call("objects", { slot: connection.token.facts.slot, kind, id, uses }, tools.settings.limits.listMs)

export const readMaterial = (
  tools: TokenTools,
  connection: TokenConnection,
  { handle }: TokenObject
): Effect.Effect<PublicKeyMaterial, HostFault> =>
  connection.host.call("material", { slot: connection.token.facts.slot, handle }, tools.settings.limits.listMs)
