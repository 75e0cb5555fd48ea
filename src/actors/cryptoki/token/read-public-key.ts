/**
 * The public half of a key: from its public object, what the private one tells, or a certificate beside it.
 *
 * The private key is found first, so that the answer belongs to the key that would sign. Only who has no PIN for a
 * token that wants one is given what its public objects tell.
 */
import { Effect } from "effect"
import type { Pkcs11Uri } from "../../../messages/pkcs11-uri.ts"
import { shownUri } from "../../../messages/pkcs11-uri.ts"
import { matchesObject } from "../../../messages/pkcs11-uri-match.ts"
import { KeyNotFound, PublicKeyNotTold, type TokenRefusal } from "../../../messages/token-refusals.ts"
import type { HostFault } from "../host/faults.ts"
import type { TokenObject } from "../pkcs11/values.ts"
import { listObjects, publicHalf, readPublicHalf } from "./public-half.ts"
import { type Asker, openSession } from "./session.ts"
import type { TokenConnection } from "./token-connection.ts"
import type { TokenContext } from "./token-context.ts"
import { withConnection, withKey } from "./with-connection.ts"

/** SubjectPublicKeyInfo, DER. */
export const publicKey = (context: TokenContext, asker: Asker): Effect.Effect<Uint8Array, TokenRefusal> =>
  asker.uri.type === "public"
    ? publicObject(context, asker.uri)
    : withKey(context, asker, (connection, { object }) => halfOf(context, connection, object)).pipe(
        Effect.catchTag("PinMissing", (refusal) =>
          Effect.catchTag(publicObject(context, { ...asker.uri, type: "public" }), "KeyNotFound", () =>
            Effect.fail(refusal)
          )
        )
      )

/** Without a login: public objects are for everybody. */
const publicObject = (context: TokenContext, uri: Pkcs11Uri): Effect.Effect<Uint8Array, TokenRefusal> =>
  withConnection(context, (connection) =>
    Effect.gen(function* () {
      yield* openSession(context.tools, connection)
      const objects = yield* listObjects(context.tools, connection, "public", uri.id)
      const object = objects.find((candidate) => matchesObject(uri, candidate))
      if (object) return (yield* readPublicHalf(context.tools, connection, [object])) ?? (yield* notReadable(context))
      return yield* new KeyNotFound({ uri: shownUri(uri), token: context.token, onOtherToken: undefined })
    })
  )

const halfOf = (
  context: TokenContext,
  connection: TokenConnection,
  object: TokenObject
): Effect.Effect<Uint8Array, TokenRefusal | HostFault> =>
  Effect.flatMap(publicHalf(context.tools, connection, object), (info) =>
    info ? Effect.succeed(info) : notReadable(context)
  )

const notReadable = ({ token }: TokenContext) => Effect.fail(new PublicKeyNotTold({ token }))
