/**
 * Polls for requested tokens that were never seen, so that TokenPlugged is published for them, too.
 *
 * Twice a minute, as readers can hang when a module is loaded more often, and only for some time after the last request.
 * A token that was in use is handled by its token actor.
 */
import { Effect, Result } from "effect"
import { type Pkcs11Uri, shownUri } from "../../../messages/pkcs11-uri.ts"
import { BoundedMap } from "../../../runtime/primitives/bounded-map.ts"
import { monotonicNow } from "../../../runtime/primitives/monotonic-time.ts"
import { tokenName } from "../pkcs11/token-facts.ts"
import type { Publish } from "../settings.ts"
import type { Listing } from "./listing.ts"
import { firstToken } from "./select-token.ts"

/** Returns the function to call for each request for a missing token. */
export const makeMissingTokenPoller = (spec: {
  readonly listing: Listing
  readonly publish: Publish
  readonly keepPollingMs: number
  /** Runs as long as the actor. */
  readonly task: (effect: Effect.Effect<void>) => Effect.Effect<void>
}): ((uri: Pkcs11Uri) => Effect.Effect<void>) => {
  const wanted = new BoundedMap<string, { readonly uri: Pkcs11Uri; readonly until: number }>(mostWanted)
  let isLooking = false
  const look = Effect.gen(function* () {
    while (wanted.size > 0) {
      yield* Effect.sleep(lookEveryMs)
      const now = yield* monotonicNow
      for (const [text, { until }] of wanted) if (until <= now) wanted.delete(text)
      for (const [text, { uri }] of wanted) {
        const found = yield* Effect.result(
          Effect.flatMap(spec.listing.tokens(lookEveryMs, "newHost"), (tokens) => firstToken(uri, tokens))
        )
        if (Result.isFailure(found)) continue
        wanted.delete(text)
        yield* spec.publish({ _tag: "TokenPlugged", token: tokenName(found.success.token) })
      }
    }
    isLooking = false
  })
  return (uri) =>
    Effect.gen(function* () {
      if (spec.keepPollingMs === 0) return
      wanted.set(shownUri(uri), { uri, until: (yield* monotonicNow) + spec.keepPollingMs })
      if (isLooking) return
      isLooking = true
      yield* spec.task(look)
    })
}

const lookEveryMs = 30_000
/** Bounds what clients with many URIs can make us look for. */
const mostWanted = 64
