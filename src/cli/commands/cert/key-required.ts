/**
 * Why the device's key is not found: which keys and tokens exist, and whether the signing service's own scope hides it.
 *
 * The missing key or token is the error to report, whatever a list fails with.
 */
import { Effect } from "effect"
import { KeyRequired } from "../../../messages/certificate.ts"
import type { CryptokiProtocol, KeySelector } from "../../../messages/cryptoki.ts"
import { shownUri } from "../../../messages/pkcs11-uri.ts"
import { matchesObject, matchesToken } from "../../../messages/pkcs11-uri-match.ts"
import { isTooOld, lacksKey, lacksToken } from "../../../messages/service-fragments.ts"
import type {
  KeyNotFound,
  SigningServiceRefused,
  TokenNotFound,
  TokenRefusal
} from "../../../messages/token-refusals.ts"
import type { AskFailed } from "../../../runtime/errors.ts"
import type { ActorRef } from "../../../runtime/protocol.ts"
import { isOnToken } from "../hsm/other-token.ts"
import { askLimits, comparable } from "../hsm/token-command.ts"

/** For `Effect.catchTags` of a request that names the key. */
export const keyRequired = (cryptoki: ActorRef<CryptokiProtocol>, wanted: KeySelector) => ({
  KeyNotFound: (cause: KeyNotFound) =>
    cause.mayNotSign === undefined ? missingKey(cryptoki, wanted, cause) : Effect.fail(cause),
  TokenNotFound: (cause: TokenNotFound) => Effect.fail(new KeyRequired({ cause, present: [], isListed: false })),
  SigningServiceRefused: (
    cause: SigningServiceRefused
  ): Effect.Effect<never, KeyRequired | TokenRefusal | AskFailed> => {
    if (lacksKey(cause)) return missingKey(cryptoki, wanted, cause)
    return lacksToken(cause) ? missingToken(cryptoki, wanted, cause) : Effect.fail(cause)
  }
})

const missingKey = (cryptoki: ActorRef<CryptokiProtocol>, wanted: KeySelector, cause: KeyRequired["cause"]) =>
  Effect.gen(function* () {
    const { object: _object, id: _id, type: _type, ...token } = wanted.uri ?? {}
    const asked = cryptoki.ask("ListKeys", { token: { ...wanted, uri: token } }, { within: askLimits.list })
    const { listed, isServiceOld } = yield* listedBy(asked)
    const own = listed.filter(({ kind }) => kind === "private")
    const present = own.filter(({ uri }) => isOnToken(uri, token))
    const ofService = cause._tag === "SigningServiceRefused"
    const { type: _kind, ...named } = wanted.uri ?? {}
    return yield* new KeyRequired({
      cause,
      present: present.map(({ uri }) => shownUri(uri)),
      isListed: ofService && present.some((key) => matchesObject(named, key)),
      isOtherToken: ofService && present.length < own.length,
      isServiceOld
    })
  })

const missingToken = (cryptoki: ActorRef<CryptokiProtocol>, { uri = {} }: KeySelector, cause: SigningServiceRefused) =>
  Effect.gen(function* () {
    const asked = cryptoki.ask("ListTokens", undefined, { within: askLimits.list })
    const { listed, isServiceOld } = yield* listedBy(asked)
    const usable = listed.filter(({ initialized }) => initialized)
    const isListed = usable.some((token) => matchesToken(comparable(uri), token))
    return yield* new KeyRequired({
      cause,
      present: usable.map((token) => shownUri(token.uri)),
      isListed,
      isServiceOld
    })
  })

/** An old service reports a request it does not know, or closes the connection. */
const listedBy = <A>(asked: Effect.Effect<ReadonlyArray<A>, TokenRefusal | AskFailed>) =>
  Effect.match(asked, {
    onSuccess: (listed) => ({ listed, isServiceOld: false }),
    onFailure: (failure) => ({
      listed: [],
      isServiceOld:
        failure._tag === "SigningServiceRefused"
          ? isTooOld(failure)
          : failure._tag === "SigningServiceUnreachable" && failure.reason === "closedEarly"
    })
  })
