/**
 * `tedge hsm change-pin`: with the present PIN, or anew by the SO PIN.
 *
 * A stored PIN follows only if it is this token's: it stands in tedge.toml, it is the old PIN, and its URI means
 * the token. Anything else would lock another token.
 */
import { Effect, Redacted } from "effect"
import type { TokenDescription } from "../../messages/cryptoki.ts"
import { matchesToken } from "../../messages/pkcs11-uri-match.ts"
import type { Settings } from "../../messages/settings/resolved-settings.ts"
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
    const uri = yield* chosenToken(context)
    const reset = input.on("reset")
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
    yield* updateStoredPins(context, token, old, newPin)
    return exitCodes.ok
  })

/** Where a PIN may be stored. */
const pinSettings = [
  { key: "device.cryptoki.pin", of: "provider" },
  { key: "device.key_pin", of: "device" },
  { key: "c8y.device.key_pin", of: "c8y" },
  { key: "az.device.key_pin", of: "az" },
  { key: "aws.device.key_pin", of: "aws" }
] as const

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
    for (const { key, of } of pinSettings) {
      const stored = yield* storedPin(context, key)
      if (stored === undefined || (old !== undefined && Redacted.value(stored) !== Redacted.value(old))) continue
      const uri = yield* uriOf(context, settings, of)
      if (uri === undefined ? !isOnlyToken : !matchesToken(uri, token)) continue
      yield* actors.config.ask("Set", { key, profile: undefined, value: newPin }, within)
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

/** The token a stored PIN is for. */
const uriOf = ({ actors }: CommandContext, settings: Settings, of: (typeof pinSettings)[number]["of"]) => {
  if (of === "provider") return Effect.succeed(settings.cryptoki.uri ?? settings.device.key.uri)
  if (of === "device") return Effect.succeed(settings.device.key.uri)
  return Effect.map(
    actors.config.ask("ReadCloudSettings", { cloud: of, profile: null }, within),
    (read) => read.settings.cloud.device.key.uri
  )
}
