/**
 * `tedge hsm change-pin`: with the current PIN, or reset by the SO PIN.
 *
 * A stored PIN is updated only if it is this token's: stored in a file, equal to the old PIN, and its URI matches the token.
 * Anything else would lock another token. A PIN in a URI is moved to its own setting before the token is changed.
 */
import { join } from "node:path"
import { Effect, Redacted, Result } from "effect"
import { textWithoutPin } from "../../../actors/config/pin-text.ts"
import {
  OptionNeeds,
  OptionsExclude,
  OtherTokenChanged,
  PinNotStored,
  PinOutcomeUnknown
} from "../../../messages/hsm.ts"
import type { Pkcs11Uri } from "../../../messages/pkcs11-uri.ts"
import { parsePkcs11Uri, shownUri } from "../../../messages/pkcs11-uri.ts"
import { matchesToken } from "../../../messages/pkcs11-uri-match.ts"
import type { Settings } from "../../../messages/settings/resolved-settings.ts"
import { cloudWords } from "../../command-line/command-spec.ts"
import { exitCodes } from "../../command-line/exit-codes.ts"
import { currentPin, newPinFrom } from "./ask-pin.ts"
import { isUncertain } from "./make-key.ts"
import { isOnToken, namedToken, refuseOtherToken } from "./other-token.ts"
import {
  askLimits,
  type CommandContext,
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
    const { settings } = yield* readTokenSettings(context)
    const reset = input.on("reset")
    if (reset && input.given("current-pin"))
      return yield* new OptionsExclude({ option: "--current-pin", other: "--reset" })
    if (!reset && input.given("so-pin")) return yield* new OptionNeeds({ option: "--so-pin", other: "--reset" })
    const uri = yield* namedToken(context, settings)
    const old = reset ? undefined : yield* currentPin(context, "current-pin", "user PIN", "Current user PIN: ")
    const soPin = reset ? yield* currentPin(context, "so-pin", "SO PIN", "SO PIN: ") : undefined
    const newPin = yield* newPinFrom(context, "new-pin", "user PIN")
    const token = selectorFor(uri, {
      ...(old && { pin: old }),
      pinFrom: `${reset ? "--so-pin" : "--current-pin"}, or as it was typed`
    })
    // Without the user PIN the service would try its own, perhaps on another token.
    if (!reset) yield* refuseOtherToken(context, settings, token)
    const by = soPin === undefined ? ({ kind: "change" } as const) : ({ kind: "reset", soPin } as const)
    yield* movePinsOutOfUris(context, uri, old)
    const stored = yield* storedPins(context, uri, old)
    const [first] = stored
    if (first !== undefined) yield* actors.config.ask("CheckWritable", { key: first, profile: null }, within)
    const perhaps = (cause: PinOutcomeUnknown["cause"]) =>
      new PinOutcomeUnknown({ uri: shownUri(uri), keys: stored, cause })
    const changed = actors.cryptoki.ask("ChangePin", { token, newPin, by }, { within: askLimits.init }).pipe(
      Effect.mapError((failure) => (isUncertain(failure) ? perhaps(failure) : failure)),
      Effect.onInterrupt(() => terminal.failure(perhaps(undefined)))
    )
    // Updating only half of it would leave a PIN in the settings that the token refuses.
    yield* Effect.uninterruptibleMask((restore) =>
      Effect.gen(function* () {
        const of = (yield* restore(changed)).uri
        if (!isOnToken(of, uri))
          return yield* new OtherTokenChanged({ what: "PIN", uri: shownUri(uri), other: shownUri(of) })
        yield* terminal.line(`The user PIN of token '${shownUri(of)}' was ${reset ? "reset" : "changed"}.`)
        yield* updateStoredPins(context, stored, newPin)
      })
    )
    return exitCodes.ok
  })

/** A place where a PIN may be stored, with the URI it is for. */
interface PinSetting {
  readonly key: string
  /** The setting of the URI, which may contain the PIN. */
  readonly uriKey: string
  readonly uri: Pkcs11Uri | undefined
}

/** Of the provider, of the device, of each cloud and each profile. */
const pinSettings = ({ actors }: CommandContext, { cryptoki, device }: Settings) =>
  Effect.gen(function* () {
    const clouds = yield* Effect.forEach(cloudWords, (cloud) =>
      Effect.map(everyProfile(actors, cloud), (profiles) =>
        profiles.map(
          (read): PinSetting => ({
            key: `${read.cloud.prefix}.device.key_pin`,
            uriKey: `${read.cloud.prefix}.device.key_uri`,
            uri: read.cloud.device.key.uri
          })
        )
      )
    )
    const own: ReadonlyArray<PinSetting> = [
      { key: "device.cryptoki.pin", uriKey: "device.cryptoki.uri", uri: cryptoki.uri ?? device.key.uri },
      { key: "device.key_pin", uriKey: "device.key_uri", uri: device.key.uri }
    ]
    return [...own, ...clouds.flat()]
  })

/** The PIN settings whose URI matches the token, or that are for the only token. */
const settingsOf = (context: CommandContext, target: Pkcs11Uri) =>
  Effect.gen(function* () {
    const tokens = yield* initialisedTokens(context)
    const [token, ...others] = tokens.filter((one) => matchesToken(comparable(target), one))
    // The request itself reports several matches, or none.
    if (token === undefined || others.length > 0) return []
    const { settings } = yield* context.actors.config.ask("ReadSettings", undefined, within)
    const all = yield* pinSettings(context, settings)
    return all.filter(({ uri }) => (uri === undefined ? tokens.length === 1 : matchesToken(uri, token)))
  })

/** Moves a PIN in a file's URI to its own setting, as `config set` does; if that is refused, so is the command. */
const movePinsOutOfUris = (context: CommandContext, target: Pkcs11Uri, old: Redacted.Redacted<string> | undefined) =>
  Effect.gen(function* () {
    const { actors, terminal } = context
    for (const { key, uriKey } of yield* settingsOf(context, target)) {
      const { value, source } = yield* actors.config.ask("Get", { key: uriKey, profile: null }, within)
      const text = value && Redacted.value(value)
      const pin = text && Result.getOrUndefined(parsePkcs11Uri(text))?.pinValue
      const bare = text && textWithoutPin(text)
      if (!value || !pin || !bare || (old !== undefined && Redacted.value(pin) !== Redacted.value(old))) continue
      if (source?.kind === "variable") yield* terminal.warning(notChanged(source.variable))
      if (source?.kind !== "file") continue
      const beside = (yield* actors.config.ask("Get", { key, profile: null }, within)).source
      const isBeside =
        beside?.kind === "file" && (key === "device.cryptoki.pin" || beside.path.endsWith("/secrets.toml"))
      yield* actors.config.ask(
        "Set",
        { key: uriKey, profile: null, value: isBeside ? Redacted.make(bare) : value },
        within
      )
      yield* terminal.line(
        isBeside
          ? `The PIN in ${uriKey} was removed: ${key} takes precedence.`
          : `The PIN in ${uriKey} was stored as ${key}.`
      )
    }
  })

const notChanged = (variable: string): string =>
  `the environment variable ${variable} holds the current PIN and is not changed`

/** The settings in the file that contain the PIN to be changed: of this token, and equal to the old PIN. */
const storedPins = (context: CommandContext, target: Pkcs11Uri, old: Redacted.Redacted<string> | undefined) =>
  Effect.gen(function* () {
    const { actors, terminal } = context
    const found: Array<string> = []
    for (const { key } of yield* settingsOf(context, target)) {
      const shown = yield* actors.config.ask("Get", { key, profile: null }, within)
      const isOther =
        old !== undefined && shown.value !== undefined && Redacted.value(shown.value) !== Redacted.value(old)
      if (shown.value === undefined || isOther) continue
      if (shown.source?.kind === "file") found.push(key)
      if (shown.source?.kind === "variable" && old !== undefined)
        yield* terminal.warning(notChanged(shown.source.variable))
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
        .ask("Set", { key, profile: null, value: newPin }, within)
        .pipe(Effect.mapError((cause) => new PinNotStored({ keys: stored.slice(at), cause })))
      yield* terminal.line(`The setting ${key} was updated.`)
    }
    const { settings } = yield* actors.config.ask("ReadSettings", undefined, within)
    if (settings.cryptoki.mode === "socket") yield* terminal.info(forService(settings, stored))
  })

const within = { within: askLimits.read }

/** The service reads device.cryptoki.pin from the same files, unless its PIN comes from a source of higher precedence. */
const forService = ({ configDir }: Settings, stored: ReadonlyArray<string>): string => {
  const variables = join(configDir, "plugins/tedge-p11-server.conf")
  const places = `TEDGE_DEVICE_CRYPTOKI_PIN in its environment ('${variables}'), its credential tedge-pin, or the file of p11_server.pin_file`
  const first = stored.includes("device.cryptoki.pin")
    ? `if tedge-p11-server has its PIN from ${places}, change it there first`
    : `no stored PIN was changed that tedge-p11-server reads: change its PIN where it has one first (${places})`
  return `tedge-p11-server uses the new PIN after: systemctl restart tedge-p11-server; ${first}`
}
