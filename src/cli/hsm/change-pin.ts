/**
 * `tedge hsm change-pin`: with the present PIN, or anew by the SO PIN.
 *
 * A stored PIN follows only if it is this token's: it stands in tedge.toml, it is the old PIN, and its URI means
 * the token. Anything else would lock another token.
 */
import { Effect, Redacted } from "effect"
import type { TokenDescription } from "../../messages/cryptoki.ts"
import { OptionNeeds, OptionsExclude } from "../../messages/hsm.ts"
import type { Pkcs11Uri } from "../../messages/pkcs11-uri.ts"
import { matchesToken } from "../../messages/pkcs11-uri-match.ts"
import type { Settings } from "../../messages/settings/resolved-settings.ts"
import { cloudWords } from "../command-spec.ts"
import { exitCodes } from "../exit-codes.ts"
import { newPinFrom, presentPin } from "./ask-pin.ts"
import {
  askLimits,
  type CommandContext,
  chosenToken,
  initialisedTokens,
  readTokenSettings,
  selectorFor,
  shownUri,
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
    const old = reset ? undefined : yield* presentPin(context, "current-pin", "user PIN", "Present user PIN: ")
    const soPin = reset ? yield* presentPin(context, "so-pin", "SO PIN", "SO PIN: ") : undefined
    const newPin = yield* newPinFrom(context, "new-pin", "user PIN")
    const by = soPin === undefined ? ({ kind: "change" } as const) : ({ kind: "reset", soPin } as const)
    const token = yield* actors.cryptoki.ask(
      "ChangePin",
      { token: selectorFor(uri, old), newPin, by },
      { within: askLimits.init }
    )
    yield* terminal.line(`The user PIN of token '${shownUri(token.uri)}' was ${reset ? "reset" : "changed"}.`)
    // Half of it would leave a PIN in the settings that the token refuses.
    yield* Effect.uninterruptible(updateStoredPins(context, token, old, newPin))
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
      Effect.map(actors.config.ask("ReadProfiles", { cloud }, within), ({ profiles }) =>
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

const updateStoredPins = (
  context: CommandContext,
  token: TokenDescription,
  old: Redacted.Redacted<string> | undefined,
  newPin: Redacted.Redacted<string>
) =>
  Effect.gen(function* () {
    const { actors, terminal } = context
    const isOnlyToken = (yield* initialisedTokens(context)).length === 1
    const { settings } = yield* actors.config.ask("ReadSettings", undefined, within)
    for (const { key, uri } of yield* pinSettings(context, settings)) {
      const stored = yield* storedPin(context, key)
      if (stored === undefined || (old !== undefined && Redacted.value(stored) !== Redacted.value(old))) continue
      if (uri === undefined ? !isOnlyToken : !matchesToken(uri, token)) continue
      yield* actors.config.ask("Set", { key, value: newPin }, within)
      yield* terminal.line(`The setting ${key} was updated.`)
    }
    if (settings.cryptoki.mode === "socket")
      yield* terminal.info("tedge-p11-server takes the new PIN with: systemctl reload tedge-p11-server")
  })

const within = { within: askLimits.read }

/** The PIN if it stands in the file under this very key: what comes from elsewhere is not ours to change. */
const storedPin = ({ actors }: CommandContext, key: string) =>
  Effect.map(actors.config.ask("Get", { key }, within), (shown) =>
    shown.source?.kind === "file" ? shown.value : undefined
  )
