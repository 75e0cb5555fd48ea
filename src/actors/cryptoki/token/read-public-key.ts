/**
 * The public half of a key: from its public object, what the private one tells, or a certificate beside it.
 *
 * The private key is found first, so that the answer belongs to the key that would sign. Only who has no PIN for a
 * token that wants one is given what its public objects tell.
 */
import { Effect } from "effect"
import type { Pkcs11Uri } from "../../../messages/pkcs11-uri.ts"
import { matchesObject } from "../../../messages/pkcs11-uri-match.ts"
import { KeyNotFound, PublicKeyNotTold, type TokenRefusal } from "../../../messages/token-refusals.ts"
import type { HostFault } from "../host/faults.ts"
import { shownUri } from "../pkcs11/token-facts.ts"
import type { HostObject } from "../pkcs11/values.ts"
import { listObjects, publicHalf, toldBy } from "./public-half.ts"
import { type Asker, openSession } from "./session.ts"
import type { Seat } from "./token-connection.ts"
import type { Lane } from "./token-context.ts"
import { withSeat } from "./with-connection.ts"
import { withKey } from "./with-key.ts"

/** SubjectPublicKeyInfo, DER. */
export const publicKey = (lane: Lane, asker: Asker): Effect.Effect<Uint8Array, TokenRefusal> =>
  asker.uri.type === "public"
    ? publicObject(lane, asker.uri)
    : withKey(lane, asker, (seat, { object }) => halfOf(lane, seat, object)).pipe(
        Effect.catchTag("PinMissing", (refusal) =>
          Effect.catchTag(publicObject(lane, { ...asker.uri, type: "public" }), "KeyNotFound", () =>
            Effect.fail(refusal)
          )
        )
      )

/** Without a login: public objects are for everybody. */
const publicObject = (lane: Lane, uri: Pkcs11Uri): Effect.Effect<Uint8Array, TokenRefusal> =>
  withSeat(lane.tools, lane.keeper, (seat) =>
    Effect.gen(function* () {
      yield* openSession(lane.tools, seat)
      const objects = yield* listObjects(lane.tools, seat, "public", uri.id)
      const object = objects.find((candidate) => matchesObject(uri, candidate))
      if (object) return (yield* toldBy(lane.tools, seat, [object])) ?? (yield* untold(lane))
      return yield* new KeyNotFound({ uri: shownUri(uri), token: lane.token, elsewhere: undefined })
    })
  )

const halfOf = (lane: Lane, seat: Seat, object: HostObject): Effect.Effect<Uint8Array, TokenRefusal | HostFault> =>
  Effect.flatMap(publicHalf(lane.tools, seat, object), (info) => (info ? Effect.succeed(info) : untold(lane)))

const untold = ({ token }: Lane) => Effect.fail(new PublicKeyNotTold({ token }))
