/**
 * Lists the keys of a token, deletes one, and returns the public key of one.
 *
 * For the public key the private key is found first, so that the result belongs to the key that would sign. Only without
 * a PIN for a token that requires one, its public objects are used.
 */
import { Effect, Result } from "effect"
import type { KeyDescription } from "../../../messages/cryptoki.ts"
import { type Pkcs11Uri, shownUri } from "../../../messages/pkcs11-uri.ts"
import { matchesObject } from "../../../messages/pkcs11-uri-match.ts"
import { KeyAmbiguous, KeyNotFound, PublicKeyUnavailable, type TokenRefusal } from "../../../messages/token-refusals.ts"
import type { HostFault } from "../host/faults.ts"
import type { TokenObject } from "../pkcs11/values.ts"
import { describeKey, keyUri, listObjects, publicHalf, readPublicHalf } from "./resolve-key.ts"
import { type Asker, loggedIn, openSession, type TokenConnection } from "./session.ts"
import { repairAfter, type TokenContext, withConnection, withKey } from "./with-connection.ts"

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

/** Deletes the objects of the single key the asker's URI selects, and returns their URIs. Not retried. */
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

/** Refuses if the URI selects objects of several keys. */
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

/** SubjectPublicKeyInfo, DER. */
export const publicKey = (context: TokenContext, asker: Asker): Effect.Effect<Uint8Array, TokenRefusal> =>
  asker.uri.type === "public"
    ? publicObject(context, asker.uri)
    : withKey(context, asker, (connection, { object }) =>
        Effect.flatMap(publicHalf(context.tools, connection, object), (info) =>
          info ? Effect.succeed(info) : notReadable(context)
        )
      ).pipe(
        Effect.catchTag("PinMissing", (refusal) =>
          Effect.catchTag(publicObject(context, { ...asker.uri, type: "public" }), "KeyNotFound", () =>
            Effect.fail(refusal)
          )
        )
      )

/** Without a login: public objects are visible to all. */
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

const notReadable = ({ token }: TokenContext) => Effect.fail(new PublicKeyUnavailable({ token }))
