/**
 * `tedge hsm init`: initialises an empty token; never erases an initialised one.
 *
 * Prints the URI of the token, also if it was already initialised with this label.
 */
import { Effect, Redacted } from "effect"
import type { TokenDescription } from "../../../messages/cryptoki.ts"
import { PinsDiffer, TokenInitialised, TokenWithoutPin } from "../../../messages/hsm.ts"
import { shownUri } from "../../../messages/pkcs11-uri.ts"
import { matchesToken } from "../../../messages/pkcs11-uri-match.ts"
import type { Settings } from "../../../messages/settings/resolved-settings.ts"
import { shownText } from "../../../messages/shown-text.ts"
import { tokenFamily } from "../../../messages/token-family.ts"
import { TokenAmbiguous, TokenNotFound } from "../../../messages/token-refusals.ts"
import { exitCodes } from "../../command-line/exit-codes.ts"
import { whileWaiting } from "../../terminal/progress.ts"
import { newPinFrom } from "./ask-pin.ts"
import {
  askLimits,
  type CommandContext,
  initialisedTokens,
  readTokenSettings,
  type TokenCommand,
  tokenArgument,
  uriOf
} from "./token-command.ts"

export const initToken: TokenCommand = (context) =>
  Effect.gen(function* () {
    const { actors, input, terminal } = context
    const { settings } = yield* readTokenSettings(context)
    const label = input.text("label") ?? "tedge"
    const target = yield* slotToInitialise(context, label)
    if (target.initialized) {
      yield* terminal.line(`The token '${shownText(target.label)}' is already initialised; nothing was changed.`)
      const given = ["so-pin", "pin"].filter((option) => input.given(option)).map((option) => `--${option}`)
      if (given.length > 0)
        yield* terminal.warning(
          `the token keeps its PINs: ${given.join(" and ")} had no effect (change the user PIN with: tedge hsm change-pin)`
        )
      yield* terminal.answer(`${shownUri(target.uri)}\n`)
      return exitCodes.ok
    }
    yield* terminal.line(`Initializing the token in slot ${target.slot} with the label '${label}'`)
    const { soPin, pin } = yield* newPins(context, settings)
    const mustBeStored = yield* wantsStoredPin(context, settings, pin)
    // Without a stored PIN the token could not be used unattended.
    if (mustBeStored) yield* actors.config.ask("CheckWritable", { key: pinSetting }, { within: askLimits.read })
    const before = yield* initialisedTokens(context)
    const order = { token: { uri: target.uri }, label, soPin, pin }
    const made = yield* whileWaiting(
      terminal,
      { title: `waiting for the token '${label}' to be initialised` },
      actors.cryptoki.ask("InitToken", order, { within: askLimits.init })
    ).pipe(Effect.catch((cause) => reportWithoutUserPin(context, before, label, cause)))
    yield* terminal.answer(`${shownUri(made.uri)}\n`)
    if (mustBeStored) yield* terminal.info(`the PIN is not in the settings yet: tedge config set ${pinSetting} <PIN>`)
    return exitCodes.ok
  })

const pinSetting = "device.cryptoki.pin"

/** In socket mode the service has the PIN; otherwise it must be stored in the settings, unless the environment has it. */
const wantsStoredPin = ({ actors }: CommandContext, { cryptoki }: Settings, pin: Redacted.Redacted<string>) =>
  cryptoki.mode === "socket"
    ? Effect.succeed(false)
    : Effect.map(
        actors.config.ask("Get", { key: pinSetting }, { within: askLimits.read }),
        ({ value, source }) =>
          source?.kind !== "variable" && (value === undefined || Redacted.value(value) !== Redacted.value(pin))
      )

/** The user PIN of the settings; without a terminal also the SO PIN, as with thin-edge. */
const newPins = (context: CommandContext, { cryptoki }: Settings) =>
  Effect.gen(function* () {
    const { input, prompts, terminal } = context
    const configured = input.given("pin") ? undefined : cryptoki.pin
    if (configured === undefined) {
      const soPin = yield* newPinFrom(context, "so-pin", "SO PIN")
      return { soPin, pin: yield* newPinFrom(context, "pin", "user PIN") }
    }
    yield* terminal.line("The user PIN is the one of device.cryptoki.pin.")
    if (input.given("so-pin")) return { soPin: yield* newPinFrom(context, "so-pin", "SO PIN"), pin: configured }
    const typed = yield* prompts.secret("New SO PIN (empty: the user PIN): ")
    if (typed === undefined || Redacted.value(typed) === "") return { soPin: configured, pin: configured }
    const again = yield* prompts.secret("New SO PIN again: ")
    if (again === undefined || Redacted.value(again) !== Redacted.value(typed))
      return yield* new PinsDiffer({ what: "SO PIN" })
    return { soPin: typed, pin: configured }
  })

/** Label and SO PIN are set before the user PIN: after a failure the token may have only the former. */
const reportWithoutUserPin = (
  context: CommandContext,
  before: ReadonlyArray<TokenDescription>,
  label: string,
  cause: TokenWithoutPin["cause"]
) =>
  Effect.gen(function* () {
    const after = yield* Effect.catch(initialisedTokens(context), () => Effect.succeed([])) // the cause is reported
    const known = new Set(before.map(uriOf))
    const made = after.find((token) => token.label === label && !known.has(uriOf(token)))
    return yield* made === undefined
      ? Effect.fail(cause)
      : Effect.fail(new TokenWithoutPin({ uri: uriOf(made), cause }))
  })

/** The uninitialised token to initialise, or the initialised one that already has the label. */
const slotToInitialise = (context: CommandContext, label: string) =>
  Effect.gen(function* () {
    const given = yield* tokenArgument(context.input)
    const all = yield* context.actors.cryptoki.ask("ListTokens", undefined, { within: askLimits.list })
    const candidates = given === undefined ? all : all.filter((token) => matchesToken(given, token))
    const named = given === undefined ? [] : candidates.filter(({ initialized }) => initialized)
    const isFree = candidates.some(({ initialized }) => !initialized)
    // A second token with this label would be indistinguishable from the first, whatever slot was named.
    const same = (isFree || given === undefined ? all : named).find(
      (token) => token.initialized && token.label === label
    )
    if (same !== undefined) return same
    const empty = candidates.filter((token) => !token.initialized)
    const [first] = empty
    if (first !== undefined && empty.length === 1) return first
    if (empty.length > 1) return yield* new TokenAmbiguous({ candidates: empty.map(uriOf) })
    if (candidates.length > 0)
      return yield* new TokenInitialised({
        tokens: candidates.map((token) => ({ uri: uriOf(token), label: token.label, family: tokenFamily(token) }))
      })
    return yield* new TokenNotFound({ uri: given && shownUri(given), present: all.map(uriOf) })
  })
