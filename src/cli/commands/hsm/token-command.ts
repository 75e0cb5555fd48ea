/** Shared by the token commands: actors, time limits, which token is meant. */
import { Effect, type Redacted, Result } from "effect"
import type { ConfigProtocol, SecretsNeed } from "../../../messages/config.ts"
import type { CryptokiProtocol, PinGiven, TokenDescription, TokenSelector } from "../../../messages/cryptoki.ts"
import type { Failure } from "../../../messages/explain.ts"
import { OptionsExclude, TokenNotNamed } from "../../../messages/hsm.ts"
import type { MqttSessionProtocol } from "../../../messages/mqtt.ts"
import { type InvalidPkcs11Uri, type Pkcs11Uri, parsePkcs11Uri, shownUri } from "../../../messages/pkcs11-uri.ts"
import { matchesToken } from "../../../messages/pkcs11-uri-match.ts"
import { mergeScope } from "../../../messages/pkcs11-uri-scope.ts"
import { isAboutScope } from "../../../messages/service-fragments.ts"
import type { DeviceSettings, Settings } from "../../../messages/settings/resolved-settings.ts"
import type { CloudName } from "../../../messages/settings/setting.ts"
import { CryptokiOff, OutsideScope, TokenAmbiguous, TokenNotFound } from "../../../messages/token-refusals.ts"
import type { ActorRef } from "../../../runtime/protocol.ts"
import type { CommandInput } from "../../command-line/command-spec.ts"
import type { Terminal } from "../../terminal/terminal.ts"

export interface TokenActors {
  readonly config: ActorRef<ConfigProtocol>
  readonly cryptoki: ActorRef<CryptokiProtocol>
  /** A session with the local broker; not open. */
  readonly localBroker: ActorRef<MqttSessionProtocol>
}

/** Source of interactive answers: the terminal, or a test. */
export interface Prompts {
  /** Prints the question, reads a line without echo. Undefined: no input. */
  readonly secret: (question: string) => Effect.Effect<Redacted.Redacted<string> | undefined>
  /** Reads a line with echo. Undefined: no input. */
  readonly text: (question: string) => Effect.Effect<string | undefined>
  /** Undefined: no input. */
  readonly yes: (question: string) => Effect.Effect<boolean | undefined>
}

export interface CommandContext {
  readonly actors: TokenActors
  readonly input: CommandInput
  readonly terminal: Terminal
  readonly prompts: Prompts
}

/** Returns the exit code. */
export type TokenCommand = (context: CommandContext) => Effect.Effect<number, Failure>

/** Longer than the token's own time limits, so that the token's error is the one reported. */
export const askLimits = {
  read: "30 seconds",
  list: "90 seconds",
  init: "3 minutes",
  generate: "11 minutes"
} as const

/** TOKEN as given, or the token with this label; undefined: not given. */
export const tokenArgument = (
  input: CommandInput,
  label?: string
): Effect.Effect<Pkcs11Uri | undefined, InvalidPkcs11Uri | OptionsExclude> => {
  const text = input.argument("TOKEN")
  if (text !== undefined && label !== undefined)
    return Effect.fail(new OptionsExclude({ option: "--token-label", other: "TOKEN" }))
  if (text === undefined) return Effect.succeed(label === undefined ? undefined : { token: label })
  return Result.match(parsePkcs11Uri(text), { onFailure: Effect.fail, onSuccess: Effect.succeed })
}

/** The settings of the named cloud, or without a cloud; refused if they configure no token. */
export const readTokenSettings = ({ actors, input }: CommandContext, need: SecretsNeed = {}) =>
  Effect.gen(function* () {
    const within = { within: askLimits.read }
    const of =
      input.cloud === undefined
        ? yield* Effect.map(
            actors.config.ask("ReadSettings", need, within),
            ({ settings }): WithDevice => ({ settings, device: settings.device })
          )
        : yield* Effect.map(
            actors.config.ask("ReadCloudSettings", { ...input.cloud, ...need }, within),
            ({ settings }): WithDevice => ({ settings, device: settings.cloud.device })
          )
    if (of.settings.cryptoki.mode === "off") return yield* new CryptokiOff({ missing: "device.cryptoki.mode" })
    return of
  })

interface WithDevice {
  readonly settings: Settings
  readonly device: DeviceSettings
}

/** The sections of all clouds; refused if one is unreadable, as it may name the token or key in question. */
export const everyProfile = ({ config }: TokenActors, cloud: CloudName) =>
  Effect.flatMap(config.ask("ReadProfiles", { cloud }, { within: askLimits.read }), ({ profiles, leftOut: [first] }) =>
    first === undefined ? Effect.succeed(profiles) : Effect.fail(first.failure)
  )

export const initialisedTokens = ({ actors }: CommandContext) =>
  Effect.map(actors.cryptoki.ask("ListTokens", undefined, { within: askLimits.list }), (tokens) =>
    tokens.filter((token) => token.initialized)
  )

/** The list a command chose its token from: each listing may reload the module. */
const chosenAmong = new WeakMap<CommandContext, ReadonlyArray<TokenDescription>>()

/** The named token, the only one, or of several the one in the key settings; the last choice is printed. */
export const chosenToken = (context: CommandContext, label?: string) =>
  Effect.gen(function* () {
    const given = yield* tokenArgument(context.input, label)
    if (given !== undefined) return given
    const tokens = yield* initialisedTokens(context)
    chosenAmong.set(context, tokens)
    const [only] = tokens
    if (tokens.length > 1) {
      const { device } = yield* readTokenSettings(context)
      const own = device.key.uri
      const [ofKey, ...others] = own === undefined ? [] : tokens.filter((one) => matchesToken(comparable(own), one))
      if (ofKey === undefined || others.length > 0) return yield* new TokenNotNamed({ candidates: tokens.map(uriOf) })
      yield* context.terminal.line(`Using the token of the device's key: ${uriOf(ofKey)}`)
      return ofKey.uri
    }
    if (only === undefined) return yield* new TokenNotNamed({ candidates: [] })
    yield* context.terminal.line(`Using the only available token: ${uriOf(only)}`)
    return only.uri
  })

/**
 * The URI with all attributes of the token it selects. Never guesses among several tokens; reports a conflict with the
 * scope: narrowed to the scope, the URI would select a token the user did not name.
 */
export const resolvedToken = (context: CommandContext, { cryptoki }: Settings, uri: Pkcs11Uri) =>
  Effect.gen(function* () {
    const scope = cryptoki.mode === "module" ? cryptoki.uri : undefined
    if (scope !== undefined && mergeScope(scope, uri).conflicts.length > 0)
      return yield* new OutsideScope({ uri: shownUri(uri), scope: shownUri(scope) })
    const tokens = chosenAmong.get(context) ?? (yield* initialisedTokens(context))
    const [token, ...others] = tokens.filter((one) => matchesToken(comparable(uri), one))
    if (token === undefined) {
      if (cryptoki.mode === "socket") yield* refuseOutsideScope(context, uri)
      return yield* new TokenNotFound({ uri: shownUri(uri), present: tokens.map(uriOf) })
    }
    if (others.length > 0) return yield* new TokenAmbiguous({ candidates: [token, ...others].map(uriOf) })
    return { ...uri, ...token.uri }
  })

/** A service of ours lists no token outside its scope; asked for one it names the setting. */
const refuseOutsideScope = ({ actors }: CommandContext, uri: Pkcs11Uri) =>
  Effect.gen(function* () {
    const listed = yield* Effect.result(actors.cryptoki.ask("ListKeys", { token: { uri } }, { within: askLimits.list }))
    if (Result.isSuccess(listed)) return
    const { failure } = listed
    if (failure._tag === "SigningServiceRefused" && isAboutScope(failure)) return yield* Effect.fail(failure)
  })

/** Without the attributes that a token's description does not have. */
export const comparable = ({
  slotDescription: _slotDescription,
  slotManufacturer: _slotManufacturer,
  libraryDescription: _libraryDescription,
  libraryManufacturer: _libraryManufacturer,
  libraryVersion: _libraryVersion,
  ...uri
}: Pkcs11Uri): Pkcs11Uri => uri

export const uriOf = (token: TokenDescription): string => shownUri(token.uri)

/** The token, with the PIN to use. */
export const selectorFor = (uri: Pkcs11Uri | undefined, pin: PinGiven = {}): TokenSelector => ({
  ...(uri !== undefined && { uri }),
  ...pin
})

/** The PIN of `--pin`, else of the key settings, else of the provider. */
export const pinFor = (option: Redacted.Redacted<string> | undefined, { key }: DeviceSettings): PinGiven => {
  const { uri: _uri, ...configured } = key
  return option === undefined ? configured : { pin: option, pinFrom: "--pin" }
}
