/** Lists the keys of a token, and destroys one. */
import { Effect, Result } from "effect"
import type { KeyDescription } from "../../../messages/cryptoki.ts"
import type { Pkcs11Uri } from "../../../messages/pkcs11-uri.ts"
import { shownUri } from "../../../messages/pkcs11-uri.ts"
import { matchesObject } from "../../../messages/pkcs11-uri-match.ts"
import { KeyAmbiguous, KeyNotFound, type TokenRefusal } from "../../../messages/token-refusals.ts"
import type { HostFault } from "../host/faults.ts"
import type { TokenObject } from "../pkcs11/values.ts"
import { listObjects } from "./public-half.ts"
import { describeKey, keyUri } from "./select-key.ts"
import { type Asker, loggedIn } from "./session.ts"
import type { TokenConnection } from "./token-connection.ts"
import type { TokenContext } from "./token-context.ts"
import { repairAfter, withConnection } from "./with-connection.ts"

/** The keys the asker's URI allows, private ones first. */
export const listKeys = (
  context: TokenContext,
  asker: Asker
): Effect.Effect<ReadonlyArray<KeyDescription>, TokenRefusal> =>
  withConnection(context, (connection) =>
    Effect.map(matchingObjects(context, connection, asker, true), (objects) =>
      objects.flatMap((object) => describeKey(connection.token, object) ?? [])
    )
  )

/** Destroys the objects of the one key the asker's URI means, and answers their URIs. Not done twice. */
export const deleteKey = (context: TokenContext, asker: Asker): Effect.Effect<ReadonlyArray<Pkcs11Uri>, TokenRefusal> =>
  withConnection(context, (connection) =>
    Effect.gen(function* () {
      const objects = yield* oneKey(context, connection, asker)
      const handles = objects.map(({ handle }) => handle)
      const { listMs } = context.tools.settings.limits
      const destroyed = yield* Effect.result(
        connection.host.call("destroy", { slot: connection.token.facts.slot, handles }, listMs)
      )
      connection.session?.keys.clear()
      if (Result.isSuccess(destroyed)) return objects.map((object) => keyUri(connection.token, object))
      return yield* repairAfter(context, connection, destroyed.failure, "delete-key")
    })
  )

const matchingObjects = (
  context: TokenContext,
  connection: TokenConnection,
  asker: Asker,
  uses = false
): Effect.Effect<ReadonlyArray<TokenObject>, TokenRefusal | HostFault> =>
  Effect.gen(function* () {
    yield* loggedIn(context.tools, connection, asker)
    const { uri } = asker
    const privates = yield* listObjects(context.tools, connection, "private", uri.id, uses)
    const publics = yield* listObjects(context.tools, connection, "public", uri.id)
    return [...privates, ...publics].filter((object) => matchesObject(uri, object))
  })

/** Refuses when the URI means objects of several keys. */
const oneKey = (
  context: TokenContext,
  connection: TokenConnection,
  asker: Asker
): Effect.Effect<ReadonlyArray<TokenObject>, TokenRefusal | HostFault> =>
  Effect.gen(function* () {
    const objects = yield* matchingObjects(context, connection, asker)
    if (objects.length === 0)
      return yield* new KeyNotFound({ uri: shownUri(asker.uri), token: context.token, onOtherToken: undefined })
    const shown = objects.map((object) => shownUri(keyUri(connection.token, object)))
    const kinds = new Set(objects.map(({ kind }) => kind))
    const ids = new Set(objects.map(({ id, label }) => (id.length > 0 ? Buffer.from(id).toString("hex") : label)))
    if (ids.size > 1 || kinds.size < objects.length)
      return yield* new KeyAmbiguous({ candidates: [...new Set(shown)].toSorted() })
    return objects
  })
