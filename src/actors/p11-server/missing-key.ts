/** A key that is not found, with those that are there: clients of thin-edge show the text of an error and nothing else. */
import { Effect, Option } from "effect"
import type { KeySelector } from "../../messages/cryptoki.ts"
import { type Pkcs11Uri, shownUri } from "../../messages/pkcs11-uri.ts"
import { matchesObject } from "../../messages/pkcs11-uri-match.ts"
import { mergeScope } from "../../messages/pkcs11-uri-scope.ts"
import { KeyNotFound } from "../../messages/token-refusals.ts"
import type { RequestFailure } from "./frame-errors.ts"
import { type RequestContext, within } from "./request-context.ts"

/** For a client that may list keys; of those, what lies inside its scope. */
export const withCandidates = (
  { cryptoki, policy, access }: RequestContext,
  key: KeySelector & { readonly uri: Pkcs11Uri },
  failure: KeyNotFound
): Effect.Effect<never, RequestFailure> =>
  Effect.gen(function* () {
    if (failure.onOtherToken !== undefined || failure.mayNotSign !== undefined) return yield* failure
    if (!access.operations.includes("list")) return yield* failure
    const { object: _object, id: _id, type: _type, ...token } = key.uri
    const { object, id } = mergeScope(policy.scope, access.scope ?? {}).uri
    const uri = { ...token, ...(object !== undefined && { object }), ...(id !== undefined && { id }) }
    const listed = yield* Effect.option(cryptoki.ask("ListKeys", { token: { ...key, uri } }, { within: within.list }))
    if (Option.isNone(listed)) return yield* failure
    const keys = listed.value.filter((one) => one.kind === "private" && matchesObject(uri, one))
    const present = keys.map((one) => shownUri(one.uri))
    return yield* new KeyNotFound({ uri: failure.uri, token: failure.token, onOtherToken: undefined, present })
  })
