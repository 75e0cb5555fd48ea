/**
 * `tedge hsm change-pin`: with the current PIN, or reset by the SO PIN.
 *
 * A stored PIN follows only if it is this token's: it is in tedge.toml, it is the old PIN, and its URI means
 * the token. Anything else would lock another token.
 */
import { Effect, Redacted } from "effect"
import { OptionNeeds, OptionsExclude, PinNotStored, PinPerhapsChanged } from "../../../messages/hsm.ts"
import type { Pkcs11Uri } from "../../../messages/pkcs11-uri.ts"
import { shownUri } from "../../../messages/pkcs11-uri.ts"
import { matchesToken } from "../../../messages/pkcs11-uri-match.ts"
import type { Settings } from "../../../messages/settings/resolved-settings.ts"
import { cloudWords } from "../../command-line/command-spec.ts"
import { exitCodes } from "../../command-line/exit-codes.ts"
import { currentPin, newPinFrom } from "./ask-pin.ts"
import { isUncertain } from "./make-key.ts"
import {
  askLimits,
  type CommandContext,
  chosenToken,
  comparable,
  everyProfile,
  initialisedTokens,
  readTokenSettings,
  selectorFor,
  type TokenCommand
} from "./token-command.ts"

export const changePin: TokenCommand = (context) =>
  Effect.gen(function* () {
    const { actors, input, terminal } = context
    yield* readTokenSettings(context)
    const reset = input.on("reset")
    if (reset && input.given("current-pin"))
      return yield* new OptionsExclude({ option: "--current-pin", other: "--reset" })
    if (!reset && input.given("so-pin")) return yield* new OptionNeeds({ option: "--so-pin", other: "--reset" })
    const uri = yield* chosenToken(context)
    const old = reset ? undefined : yield* currentPin(context, "current-pin", "user PIN", "Current user PIN: ")
    const soPin = reset ? yield* currentPin(context, "so-pin", "SO PIN", "SO PIN: ") : undefined
    const newPin = yield* newPinFrom(context, "new-pin", "user PIN")
    const by = soPin === undefined ? ({ kind: "change" } as const) : ({ kind: "reset", soPin } as const)
    const stored = yield* storedPins(context, uri, old)
    const [first] = stored
    if (first !== undefined) yield* actors.config.ask("CheckWritable", { key: first }, within)
    const perhaps = (cause: PinPerhapsChanged["cause"]) =>
      new PinPerhapsChanged({ uri: shownUri(uri), keys: stored, cause })
    const changed = actors.cryptoki
      .ask(
        "ChangePin",
        {
          token: selectorFor(uri, {
            ...(old && { pin: old }),
            pinFrom: `${reset ? "--so-pin" : "--current-pin"}, or as it was typed`
          }),
          newPin,
          by
        },
        { within: askLimits.init }
      )
      .pipe(
        Effect.mapError((failure) => (isUncertain(failure) ? perhaps(failure) : failure)),
        Effect.onInterrupt(() => terminal.failure(perhaps(undefined)))
      )
    // Half of it would leave a PIN in the settings that the token refuses.
    yield* Effect.uninterruptibleMask((restore) =>
      Effect.flatMap(restore(changed), (token) =>
        Effect.andThen(
          terminal.line(`The user PIN of token '${shownUri(token.uri)}' was ${reset ? "reset" : "changed"}.`),
          updateStoredPins(context, stored, newPin)
        )
      )
    )
    return exitCodes.ok
  })

/** A place where a PIN may be stored, with the URI of what it is for. */
interface PinSetting {
  readonly key: string
  readonly uri: Pkcs11Uri | undefined
}

/** Of the provider, of the device, of each cloud and each of its profiles. */
const pinSettings = ({ actors }: CommandContext, { cryptoki, device }: Settings) =>
  Effect.gen(function* () {
    const clouds = yield* Effect.forEach(cloudWords, (cloud) =>
      Effect.map(everyProfile(actors, cloud), (profiles) =>
        profiles.map(
          (read): PinSetting => ({
            key: `${read.cloud.prefix}.device.key_pin`,
            uri: read.cloud.device.key.uri
          })
        )
      )
    )
    const own: ReadonlyArray<PinSetting> = [
      { key: "device.cryptoki.pin", uri: cryptoki.uri ?? device.key.uri },
      { key: "device.key_pin", uri: device.key.uri }
    ]
    return [...own, ...clouds.flat()]
  })

/** The settings in the file that hold the PIN which is to change: of this token, and not another PIN. */
const storedPins = (context: CommandContext, target: Pkcs11Uri, old: Redacted.Redacted<string> | undefined) =>
  Effect.gen(function* () {
    const { actors, terminal } = context
    const tokens = yield* initialisedTokens(context)
    const [token, ...others] = tokens.filter((one) => matchesToken(comparable(target), one))
    // The request itself reports that several match, or none.
    if (token === undefined || others.length > 0) return []
    const { settings } = yield* actors.config.ask("ReadSettings", undefined, within)
    const found: Array<string> = []
    for (const { key, uri } of yield* pinSettings(context, settings)) {
      const shown = yield* actors.config.ask("Get", { key }, within)
      const isOther =
        old !== undefined && shown.value !== undefined && Redacted.value(shown.value) !== Redacted.value(old)
      if (shown.value === undefined || isOther) continue
      if (uri === undefined ? tokens.length > 1 : !matchesToken(uri, token)) continue
      if (shown.source?.kind === "file") found.push(key)
      if (shown.source?.kind === "variable" && old !== undefined)
        yield* terminal.warning(
          `the environment variable ${shown.source.variable} holds the current PIN and is not changed`
        )
    }
    return found
  })

const updateStoredPins = (
  { actors, terminal }: CommandContext,
  stored: ReadonlyArray<string>,
  newPin: Redacted.Redacted<string>
) =>
  Effect.gen(function* () {
    for (const [at, key] of stored.entries()) {
      yield* actors.config
        .ask("Set", { key, value: newPin }, within)
        .pipe(Effect.mapError((cause) => new PinNotStored({ keys: stored.slice(at), cause })))
      yield* terminal.line(`The setting ${key} was updated.`)
    }
    const { settings } = yield* actors.config.ask("ReadSettings", undefined, within)
    if (settings.cryptoki.mode === "socket")
      yield* terminal.info("tedge-p11-server uses the new PIN after: systemctl restart tedge-p11-server")
  })

const within = { within: askLimits.read }
