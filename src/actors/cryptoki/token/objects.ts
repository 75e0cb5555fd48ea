/** Lists the keys of a token, and destroys one. */
import { Effect, Result } from "effect"
import type { KeyDescription } from "../../../messages/cryptoki.ts"
import type { Pkcs11Uri } from "../../../messages/pkcs11-uri.ts"
import { matchesObject } from "../../../messages/pkcs11-uri-match.ts"
import { KeyAmbiguous, KeyNotFound, type TokenRefusal } from "../../../messages/token-refusals.ts"
import type { HostFault } from "../host/faults.ts"
import { shownUri } from "../pkcs11/token-facts.ts"
import type { HostObject } from "../pkcs11/values.ts"
import { listObjects } from "./public-half.ts"
import { describeKey, keyUri } from "./select-key.ts"
import { type Asker, loggedIn } from "./session.ts"
import type { Seat } from "./token-connection.ts"
import type { Lane } from "./token-context.ts"
import { endSeat, withSeat } from "./with-connection.ts"

/** The keys the asker's URI allows, private ones first. */
export const listKeys = (lane: Lane, asker: Asker): Effect.Effect<ReadonlyArray<KeyDescription>, TokenRefusal> =>
  withSeat(lane.tools, lane.keeper, (seat) =>
    Effect.map(matchingObjects(lane, seat, asker, true), (objects) =>
      objects.flatMap((object) => describeKey(seat.token, object) ?? [])
    )
  )

/** Destroys the objects of the one key the asker's URI means, and answers their URIs. Not done twice. */
export const deleteKey = (lane: Lane, asker: Asker): Effect.Effect<ReadonlyArray<Pkcs11Uri>, TokenRefusal> =>
  withSeat(lane.tools, lane.keeper, (seat) =>
    Effect.gen(function* () {
      const objects = yield* oneKey(lane, seat, asker)
      const handles = objects.map(({ handle }) => handle)
      const { listMs } = lane.tools.settings.limits
      const destroyed = yield* Effect.result(
        seat.host.call("destroy", { slot: seat.token.facts.slot, handles }, listMs)
      )
      seat.session?.keys.clear()
      if (Result.isSuccess(destroyed)) return objects.map((object) => keyUri(seat.token, object))
      return yield* endSeat(lane, seat, destroyed.failure, "delete-key")
    })
  )

const matchingObjects = (
  lane: Lane,
  seat: Seat,
  asker: Asker,
  uses = false
): Effect.Effect<ReadonlyArray<HostObject>, TokenRefusal | HostFault> =>
  Effect.gen(function* () {
    yield* loggedIn(lane.tools, seat, asker)
    const { uri } = asker
    const privates = yield* listObjects(lane.tools, seat, "private", uri.id, uses)
    const publics = yield* listObjects(lane.tools, seat, "public", uri.id)
    return [...privates, ...publics].filter((object) => matchesObject(uri, object))
  })

/** Refuses when the URI means objects of several keys. */
const oneKey = (
  lane: Lane,
  seat: Seat,
  asker: Asker
): Effect.Effect<ReadonlyArray<HostObject>, TokenRefusal | HostFault> =>
  Effect.gen(function* () {
    const objects = yield* matchingObjects(lane, seat, asker)
    if (objects.length === 0)
      return yield* new KeyNotFound({ uri: shownUri(asker.uri), token: lane.token, elsewhere: undefined })
    const shown = objects.map((object) => shownUri(keyUri(seat.token, object)))
    const kinds = new Set(objects.map(({ kind }) => kind))
    const ids = new Set(objects.map(({ id, label }) => (id.length > 0 ? Buffer.from(id).toString("hex") : label)))
    if (ids.size > 1 || kinds.size < objects.length)
      return yield* new KeyAmbiguous({ candidates: [...new Set(shown)].toSorted() })
    return objects
  })
