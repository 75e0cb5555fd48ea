/**
 * Clears a PIN latch of tedge-p11-server. Version 1 of its protocol has no word for it: it tells which tokens there
 * are, and the records are files on this machine, for those who may change them.
 */
import { Effect } from "effect"
import type { TokenDescription, TokenSelector } from "../../../messages/cryptoki.ts"
import { shownUri } from "../../../messages/pkcs11-uri.ts"
import { matchesToken } from "../../../messages/pkcs11-uri-match.ts"
import { TokenAmbiguous, TokenNotFound, type TokenRefusal } from "../../../messages/token-refusals.ts"
import { clearLatchOfService } from "../pin/clear-latch.ts"
import type { LatchPlace } from "../pin/latch-files.ts"
import { latchStore } from "../pin/latch-store.ts"
import { identityOf } from "../pkcs11/token-facts.ts"
import { listTokens } from "./socket-management.ts"
import type { SigningService } from "./socket-service.ts"

export const clearLatch = (
  service: SigningService,
  latches: LatchPlace,
  selector: TokenSelector
): Effect.Effect<boolean, TokenRefusal> =>
  Effect.gen(function* () {
    const token = yield* onlyToken(selector, yield* listTokens(service))
    const latched = { identity: identityOf(token), name: token.label, uri: shownUri(token.uri) }
    return yield* clearLatchOfService(latchStore(latches), latches.directory, latched)
  })

const onlyToken = ({ uri = {} }: TokenSelector, listed: ReadonlyArray<TokenDescription>) => {
  const present = listed.filter(({ initialized }) => initialized)
  const [token, ...others] = present.filter((one) => matchesToken(uri, one))
  const uris = (tokens: ReadonlyArray<TokenDescription>) => tokens.map((one) => shownUri(one.uri))
  if (token === undefined) return Effect.fail(new TokenNotFound({ uri: shownUri(uri), present: uris(present) }))
  return others.length === 0
    ? Effect.succeed(token)
    : Effect.fail(new TokenAmbiguous({ candidates: uris([token, ...others]) }))
}
