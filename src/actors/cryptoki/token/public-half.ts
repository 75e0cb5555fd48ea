/**
 * The public half of a private key, from whatever object of the token tells it.
 *
 * First the public object with the same id (without an id: the same label), then the private one itself, then a
 * certificate with the same id: vendors' tools often leave only that beside the key.
 */
import { Effect } from "effect"
import type { HostFault } from "../host/faults.ts"
import { certificateKeyInfo, subjectPublicKeyInfo } from "../pkcs11/public-key.ts"
import type { HostKeyMaterial, HostObject } from "../pkcs11/values.ts"
import type { LaneTools } from "./session.ts"
import type { Seat } from "./token-connection.ts"

/** SubjectPublicKeyInfo, DER; undefined when no object of the token tells it. */
export const publicHalf = (
  tools: LaneTools,
  seat: Seat,
  object: HostObject
): Effect.Effect<Uint8Array | undefined, HostFault> =>
  Effect.gen(function* () {
    const objects = yield* listObjects(tools, seat, "public", object.id)
    const partner = objects.find(
      ({ keyType, label }) => keyType === object.keyType && (object.id.length > 0 || label === object.label)
    )
    return (
      (yield* toldBy(tools, seat, partner ? [partner, object] : [object])) ?? (yield* certified(tools, seat, object))
    )
  })

/** Of the first object that tells enough. */
export const toldBy = (
  tools: LaneTools,
  seat: Seat,
  objects: ReadonlyArray<HostObject>
): Effect.Effect<Uint8Array | undefined, HostFault> =>
  Effect.gen(function* () {
    for (const object of objects) {
      const info = subjectPublicKeyInfo(yield* readMaterial(tools, seat, object))
      if (info) return info
    }
    return undefined
  })

const certified = (
  tools: LaneTools,
  seat: Seat,
  { id, label }: HostObject
): Effect.Effect<Uint8Array | undefined, HostFault> => {
  if (id.length === 0 && label === "") return Effect.succeed(undefined)
  const asked = id.length > 0 ? { id, label: undefined } : { id: undefined, label }
  return Effect.map(
    seat.host.call("certificates", { slot: seat.token.facts.slot, ...asked }, tools.settings.limits.listMs),
    (certificates) => certificates.map(certificateKeyInfo).find((info) => info !== undefined)
  )
}

export const listObjects = (
  tools: LaneTools,
  seat: Seat,
  kind: HostObject["kind"],
  id: Uint8Array | undefined,
  uses = false
): Effect.Effect<ReadonlyArray<HostObject>, HostFault> =>
  seat.host.call("objects", { slot: seat.token.facts.slot, kind, id, uses }, tools.settings.limits.listMs)

export const readMaterial = (
  tools: LaneTools,
  seat: Seat,
  { handle }: HostObject
): Effect.Effect<HostKeyMaterial, HostFault> =>
  seat.host.call("material", { slot: seat.token.facts.slot, handle }, tools.settings.limits.listMs)
