/**
 * Initialises an uninitialised token, in a separate host. An initialised one is never changed.
 */
import { Effect, Option, Redacted, Result, Scope } from "effect"
import type { CryptokiProtocol, KeySelector, TokenDescription } from "../../messages/cryptoki.ts"
import { type Pkcs11Uri, shownUri } from "../../messages/pkcs11-uri.ts"
import { freeSlot, namesToken } from "../../messages/pkcs11-uri-match.ts"
import { tokenLabelProblem } from "../../messages/token-names.ts"
import { OutcomeUnknown, type TokenRefusal, UriNotUsable } from "../../messages/token-refusals.ts"
import type { PayloadOf } from "../../runtime/protocol.ts"
import { tokensOf } from "./discovery/listing.ts"
import { matching, onlyToken } from "./discovery/select-token.ts"
import { refusalOf } from "./host/faults.ts"
import { readsTokensOnce } from "./pkcs11/quirks.ts"
import { describeToken, isInitialized, type Token, tokenName } from "./pkcs11/token-facts.ts"
import { type Router, withinScope } from "./router.ts"
import { latchedToken } from "./token/session.ts"

type InitOrder = Omit<PayloadOf<CryptokiProtocol, "InitToken">, "token">

/** A free slot counts as within the scope if its future token is: it has no label yet. */
export const initToken = (
  router: Router,
  selector: KeySelector,
  order: InitOrder
): Effect.Effect<TokenDescription, TokenRefusal> =>
  Effect.gen(function* () {
    const problem = tokenLabelProblem(order.label)
    if (problem) return yield* problem
    yield* withinScope(router, { uri: { token: order.label } })
    const { uri } = yield* withinScope(router, selector)
    const before = yield* router.listing.tokens(0)
    const token = yield* uninitialized(uri, before, freeSlot(uri, selector.uri))
    const done = yield* Effect.result(Effect.scoped(initialise(router, token, order)))
    yield* router.listing.forget
    const refusal = Result.isFailure(done) ? done.failure : undefined
    if (refusal && refusal._tag !== "OutcomeUnknown") return yield* Effect.fail(refusal)
    // The slot may have another number now, and after an interruption this is the only way to know.
    const listed = Result.isSuccess(done) ? done.success : undefined
    const after = listed ?? (yield* router.listing.tokens(0, "newHost"))
    // Two tokens may have one label.
    const isNew = ({ facts: { serial, label } }: Token) =>
      !before.some(({ facts }) => facts.serial === serial && facts.label === label)
    const there = after.find((one) => isInitialized(one) && one.facts.label === order.label && isNew(one))
    if (there === undefined) return yield* refusal ?? new OutcomeUnknown({ token: tokenName(token), operation: "init" })
    yield* router.tools.latch.clear(latchedToken(there))
    return describeToken(there)
  })

const uninitialized = (
  uri: Pkcs11Uri,
  tokens: ReadonlyArray<Token>,
  free: Pkcs11Uri
): Effect.Effect<Token, TokenRefusal> =>
  onlyToken(free, tokens, "uninitialized").pipe(
    Effect.catchTag("TokenNotFound", (refusal) =>
      Effect.fail(
        namesToken(uri) && matching(uri, tokens).some(isInitialized)
          ? new UriNotUsable({ uri: shownUri(uri), reason: "the token is already initialised" })
          : refusal
      )
    )
  )

/** The tokens that exist then; undefined: only a new host can list them. */
const initialise = (
  { hosts, listing, tools }: Router,
  token: Token,
  { label, soPin, pin }: InitOrder
): Effect.Effect<ReadonlyArray<Token> | undefined, TokenRefusal, Scope.Scope> =>
  Effect.gen(function* () {
    // The host that has just listed them: a card is loaded once.
    const spare = yield* listing.takeHost
    if (spare) yield* Effect.addFinalizer((exit) => Scope.close(spare.scope, exit))
    const host = spare?.host ?? (yield* hosts.lease(undefined))
    const asked = { slot: token.facts.slot, label, soPin: Redacted.value(soPin), pin: Redacted.value(pin) }
    yield* host.call("initToken", asked, tools.settings.limits.initTokenMs)
    return readsTokensOnce(token) ? undefined : yield* Effect.option(tokensOf(host, tools.settings))
  }).pipe(
    Effect.mapError((fault) => {
      const isUnknown = fault._tag === "CallTimedOut" || fault._tag === "HostDied"
      return isUnknown
        ? new OutcomeUnknown({ token: tokenName(token), operation: "init" })
        : refusalOf(fault, tokenName(token))
    }),
    Effect.map((listed) => listed && Option.getOrUndefined(listed))
  )
