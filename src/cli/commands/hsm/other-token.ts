/**
 * Creates keys and changes PINs on the token that was named, and on no other.
 *
 * A signing service lets the attributes of its own device.cryptoki.uri override those of a request; thin-edge's does so
 * when it creates keys and changes PINs too. So a token is named with all its attributes, which conflict with most scopes;
 * a token with keys is asked for them first; and the result is compared with the token named.
 */
import { Effect, Result } from "effect"
import type { TokenSelector } from "../../../messages/cryptoki.ts"
import { differsFragment } from "../../../messages/explain/token-fragments.ts"
import type { Failure } from "../../../messages/explain.ts"
import { OtherTokenSelected } from "../../../messages/hsm.ts"
import { type Pkcs11Uri, shownUri } from "../../../messages/pkcs11-uri.ts"
import { matchesToken } from "../../../messages/pkcs11-uri-match.ts"
import { isAboutScope, lacksToken, refusesPin } from "../../../messages/service-fragments.ts"
import type { Settings } from "../../../messages/settings/resolved-settings.ts"
import { SigningServiceRefused } from "../../../messages/token-refusals.ts"
import { askLimits, type CommandContext, chosenToken, comparable, tokenArgument } from "./token-command.ts"

/** As `chosenToken`, with all attributes of the token if a service lists exactly one that matches. */
export const namedToken = (context: CommandContext, { cryptoki }: Settings, label?: string) =>
  Effect.gen(function* () {
    const uri = yield* chosenToken(context, label)
    if (cryptoki.mode !== "socket") return uri
    const listed = yield* Effect.result(
      context.actors.cryptoki.ask("ListTokens", undefined, { within: askLimits.list })
    )
    // A service that may not or cannot list answers the request itself.
    const [token, ...others] = Result.getOrElse(listed, () => []).filter(
      (one) => one.initialized && matchesToken(comparable(uri), one)
    )
    return token === undefined || others.length > 0 ? uri : { ...uri, ...token.uri }
  })

/** Before a change through a service. With the PIN of the change: a wrong one is tried once. */
export const refuseOtherToken = ({ actors }: CommandContext, { cryptoki }: Settings, token: TokenSelector) =>
  Effect.gen(function* () {
    if (cryptoki.mode !== "socket") return
    const listed = yield* Effect.result(actors.cryptoki.ask("ListKeys", { token }, { within: askLimits.list }))
    if (Result.isFailure(listed)) {
      const { failure } = listed
      // A PIN that differs from that of an open login was not tried.
      const isTried =
        failure._tag === "SigningServiceRefused" && refusesPin(failure) && !failure.message.includes(differsFragment)
      return isTried ? yield* Effect.fail(failure) : undefined
    }
    const uri = token.uri ?? {}
    const other = listed.success.find((key) => !isOnToken(key.uri, uri))
    if (other === undefined) return
    return yield* otherTokenSelected(uri, other.uri)
  })

export const otherTokenSelected = (asked: Pkcs11Uri, found: Pkcs11Uri): OtherTokenSelected =>
  new OtherTokenSelected({ uri: shownUri(tokenOf(asked)), other: shownUri(tokenOf(found)) })

const tokenOf = ({ object: _object, id: _id, type: _type, ...token }: Pkcs11Uri): Pkcs11Uri => token

/** A service that does not find a token it lists: its own scope hides it. Its message, with that fact. */
export const withScope = ({ actors, input }: CommandContext, failure: Failure): Effect.Effect<Failure> => {
  if (failure._tag !== "SigningServiceRefused" || !lacksToken(failure) || isAboutScope(failure))
    return Effect.succeed(failure)
  return Effect.gen(function* () {
    const named = (yield* tokenArgument(input)) ?? {}
    const listed = yield* actors.cryptoki.ask("ListTokens", undefined, { within: askLimits.list })
    const isListed = listed.some((one) => one.initialized && matchesToken(comparable(named), one))
    return new SigningServiceRefused({ message: failure.message, ownPin: failure.ownPin, isListed })
  }).pipe(Effect.orElseSucceed(() => failure))
}

/** Attributes missing in either do not distinguish tokens. */
export const isOnToken = (one: Pkcs11Uri, token: Pkcs11Uri): boolean =>
  (["token", "serial", "model", "manufacturer"] as const).every(
    (field) => one[field] === undefined || token[field] === undefined || one[field] === token[field]
  )
