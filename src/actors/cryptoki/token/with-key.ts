/**
 * Finds the key a request means, on a token that is ready, and does something with it.
 */
import { Effect, Result } from "effect"
import { shownUri } from "../../../messages/pkcs11-uri.ts"
import type { TokenRefusal } from "../../../messages/token-refusals.ts"
import { monotonicNow } from "../../../runtime/primitives/monotonic-time.ts"
import { CallRefused, type HostFault } from "../host/faults.ts"
import { CKR_SESSION_HANDLE_INVALID } from "../pkcs11/return-codes.ts"
import { findKey, type KeyRefusal } from "./resolve-key.ts"
import { type Asker, loggedIn } from "./session.ts"
import type { FoundKey, TokenConnection } from "./token-connection.ts"
import type { TokenContext } from "./token-context.ts"
import { withConnection } from "./with-connection.ts"

/** A kept handle may have died, or mean another object by now. Asked once for each handshake. */
export const revalidateKey = (
  { tools }: TokenContext,
  connection: TokenConnection,
  { object }: FoundKey
): Effect.Effect<void, HostFault> =>
  Effect.flatMap(
    connection.host.call(
      "check",
      { slot: connection.token.facts.slot, handle: object.handle, id: object.id },
      tools.settings.limits.listMs
    ),
    (isThere) =>
      isThere
        ? Effect.void
        : Effect.fail(new CallRefused({ call: "C_GetSessionInfo", code: CKR_SESSION_HANDLE_INVALID, detail: "" }))
  )

/** Logged in, with the key the asker means. */
export const withKey = <A>(
  context: TokenContext,
  asker: Asker,
  use: (connection: TokenConnection, found: FoundKey) => Effect.Effect<A, TokenRefusal | HostFault>
): Effect.Effect<A, TokenRefusal> =>
  withConnection(context.tools, context.reconnector, (connection) =>
    loggedIn(context.tools, connection, asker).pipe(
      Effect.flatMap((session) => Effect.result(findKey(context.tools, connection, session, asker))),
      Effect.flatMap((found) => {
        if (Result.isFailure(found)) return Effect.as(makeStale(context, connection, asker, found.failure), undefined)
        context.refreshed.delete(shownUri(asker.uri))
        return Effect.map(use(connection, found.success), (done) => ({ done }))
      })
    )
  ).pipe(Effect.flatMap((result) => (result ? Effect.succeed(result.done) : withKey(context, asker, use))))

/** A host that may not know of the key is given up; otherwise the refusal stands. */
const makeStale = (
  context: TokenContext,
  connection: TokenConnection,
  asker: Asker,
  refusal: KeyRefusal
): Effect.Effect<void, KeyRefusal> =>
  Effect.gen(function* () {
    if (refusal._tag !== "KeyNotFound" || !(yield* mayRefresh(context, connection, asker)))
      return yield* Effect.fail(refusal)
    yield* context.reconnector.invalidate(connection, {
      kind: "stale",
      refusal,
      reason: "a key may have been created elsewhere"
    })
  })

/**
 * Modules read some tokens only when they are loaded, so a key that another process created is seen by a new host.
 * Once for each URI, and not often: a key that is merely missing must not wear out a reader.
 */
const mayRefresh = (context: TokenContext, connection: TokenConnection, asker: Asker): Effect.Effect<boolean> =>
  Effect.map(monotonicNow, (now) => {
    const uri = shownUri(asker.uri)
    if (context.refreshed.has(uri) || now < context.mayRefreshAt || now - connection.since < freshMs) return false
    if (context.refreshed.size >= rememberedUris) context.refreshed.clear()
    context.refreshed.add(uri)
    context.mayRefreshAt = now + refreshPauseMs
    return true
  })

/** A host younger than this has seen what there is. */
const freshMs = 2000
const refreshPauseMs = 30_000
const rememberedUris = 256
