/**
 * `tedge hsm init`: makes an empty token usable, and never an initialised one empty.
 *
 * Prints the URI of the token, also when it has been initialised under this label before.
 */
import { Effect } from "effect"
import type { TokenDescription } from "../../messages/cryptoki.ts"
import { TokenInitialised, TokenWithoutPin } from "../../messages/hsm.ts"
import { matchesToken } from "../../messages/pkcs11-uri-match.ts"
import { TokenAmbiguous, TokenNotFound } from "../../messages/token-refusals.ts"
import { exitCodes } from "../exit-codes.ts"
import { newPinFrom } from "./ask-pin.ts"
import {
  askLimits,
  type CommandContext,
  initialisedTokens,
  readTokenSettings,
  shownUri,
  type TokenCommand,
  tokenArgument
} from "./token-command.ts"

export const initToken: TokenCommand = (context) =>
  Effect.gen(function* () {
    const { actors, input, terminal } = context
    yield* readTokenSettings(context)
    const label = input.text("label") ?? "tedge"
    const target = yield* slotToInitialise(context, label)
    if (target.initialized) {
      yield* terminal.answer(`${shownUri(target.uri)}\n`)
      return exitCodes.ok
    }
    yield* terminal.line(`Initializing the token in slot ${target.slot} with the label '${label}'`)
    const soPin = yield* newPinFrom(context, "so-pin", "SO PIN")
    const pin = yield* newPinFrom(context, "pin", "user PIN")
    const before = yield* initialisedTokens(context)
    const made = yield* actors.cryptoki
      .ask("InitToken", { token: { uri: target.uri }, label, soPin, pin }, { within: askLimits.init })
      .pipe(Effect.catch((cause) => refuseHalfMade(context, before, label, cause)))
    yield* terminal.answer(`${shownUri(made.uri)}\n`)
    return exitCodes.ok
  })

/** Label and SO PIN come before the user PIN: the token may have the one without the other now. */
const refuseHalfMade = (
  context: CommandContext,
  before: ReadonlyArray<TokenDescription>,
  label: string,
  cause: TokenWithoutPin["cause"]
) =>
  Effect.gen(function* () {
    const after = yield* Effect.catch(initialisedTokens(context), () => Effect.succeed([])) // the cause is what is told
    const known = new Set(before.map(uriOf))
    const made = after.find((token) => token.label === label && !known.has(uriOf(token)))
    return yield* made === undefined
      ? Effect.fail(cause)
      : Effect.fail(new TokenWithoutPin({ uri: uriOf(made), cause }))
  })

/** An uninitialised token to initialise, or the initialised one that has the label already. */
const slotToInitialise = (context: CommandContext, label: string) =>
  Effect.gen(function* () {
    const given = yield* tokenArgument(context.input)
    const all = yield* context.actors.cryptoki.ask("ListTokens", undefined, { within: askLimits.list })
    const candidates = given === undefined ? all : all.filter((token) => matchesToken(given, token))
    const same = candidates.find((token) => token.initialized && token.label === label)
    if (same !== undefined) return same
    const empty = candidates.filter((token) => !token.initialized)
    const [first] = empty
    if (first !== undefined && empty.length === 1) return first
    if (empty.length > 1) return yield* new TokenAmbiguous({ candidates: empty.map(uriOf) })
    const [taken] = candidates
    if (given !== undefined && taken !== undefined)
      return yield* new TokenInitialised({ uri: uriOf(taken), label: taken.label })
    return yield* new TokenNotFound({ uri: given && shownUri(given), present: all.map(uriOf) })
  })

const uriOf = (token: TokenDescription): string => shownUri(token.uri)
