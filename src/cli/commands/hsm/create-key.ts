/**
 * `tedge cert create-key-hsm` and `tedge hsm create-key`: generates a keypair on the token, and selects it.
 *
 * All checks run before the key is generated; a failure after that is reported together with the key.
 * Source: thin-edge hsm-support, "Key generation".
 */
import { Effect, Option, Redacted, Result } from "effect"
import type { CryptokiProtocol, KeyParameters, KeySelector } from "../../../messages/cryptoki.ts"
import { KeyNotSelected, OptionsExclude, OtherKeyChosen, OtherTokenChanged } from "../../../messages/hsm.ts"
import { type Pkcs11Uri, shownUri } from "../../../messages/pkcs11-uri.ts"
import { sameTarget } from "../../../messages/pkcs11-uri-match.ts"
import { lacksKey } from "../../../messages/service-fragments.ts"
import { KeyExists } from "../../../messages/token-refusals.ts"
import { pem } from "../../../platform/tls/x509.ts"
import type { AnswerOf } from "../../../runtime/protocol.ts"
import { type CommandInput, cloudWords } from "../../command-line/command-spec.ts"
import { exitCodes } from "../../command-line/exit-codes.ts"
import { refuseUnwritable, replaceText } from "../cert/certificate-files.ts"
import { givenPin } from "./ask-pin.ts"
import { idOption, printKeyId } from "./find-keys.ts"
import { makeKey, randomKeyId } from "./make-key.ts"
import { isOnToken, namedToken, refuseOtherToken } from "./other-token.ts"
import { refuseShadowed, refuseUnusedKey } from "./refuse-unused-key.ts"
import {
  askLimits,
  type CommandContext,
  pinFor,
  readTokenSettings,
  selectorFor,
  type TokenCommand
} from "./token-command.ts"

export const createKey: TokenCommand = (context) =>
  Effect.gen(function* () {
    const { actors, input } = context
    const parameters = yield* keyParameters(input)
    const id = yield* idOption(input)
    const pin = yield* givenPin(input, "pin", "user PIN")
    const outfile = input.text("outfile-pubkey")
    if (outfile !== undefined) yield* refuseUnwritable(outfile)
    const { settings, device } = yield* readTokenSettings(context)
    const setting =
      input.cloud === undefined
        ? { key: "device.key_uri" }
        : { key: `${input.cloud.cloud}.device.key_uri`, profile: input.cloud.profile }
    yield* refuseShadowed(context, setting)
    const token = yield* namedToken(context, settings, input.text("token-label"))
    const selector = selectorFor(token, pinFor(pin, device))
    yield* refuseOtherToken(context, settings, selector)
    if (id !== undefined) yield* refuseExisting(context, selector, id)
    const order = {
      token: selector,
      parameters,
      label: input.text("label") ?? "tedge",
      id: id ?? randomKeyId()
    }
    yield* refuseUnusedKey(context, settings, order)
    yield* actors.config.ask("CheckWritable", setting, { within: askLimits.read })
    yield* Effect.uninterruptibleMask((restore) =>
      Effect.flatMap(restore(makeKey(context, order)), (key) => reportKey(context, { key, selector, setting, outfile }))
    )
    return exitCodes.ok
  })

interface Made {
  readonly key: AnswerOf<CryptokiProtocol, "CreateKey">
  readonly selector: KeySelector
  readonly setting: KeySetting
  readonly outfile: string | undefined
}

/** If the file cannot be written, the key is still shown and selected. */
const reportKey = (context: CommandContext, { key, selector, setting, outfile }: Made) =>
  Effect.gen(function* () {
    const { input, terminal } = context
    const uri = shownUri(key.uri)
    if (!isOnToken(key.uri, selector.uri ?? {}))
      return yield* new OtherTokenChanged({ what: "key", uri: shownUri(selector.uri ?? {}), other: uri })
    const publicKey = pem("PUBLIC KEY", key.publicKey)
    yield* terminal.answer(`New keypair was successfully created.\nKey URI: ${uri}\nPublic key:\n${publicKey}\n\n`)
    const saved = outfile === undefined ? Effect.void : replaceText(outfile, publicKey)
    yield* refuseOtherKey(context, key, selector)
    yield* selectKey(context, setting, uri)
    yield* reportOtherKeyUsers(context, key.uri)
    yield* Effect.tapError(saved, () => terminal.warning("the key was created and selected; its public key is above"))
    if (input.secret("pin") !== undefined)
      yield* terminal.info(
        "the PIN was not written to the settings; unless tedge-p11-server knows it: tedge config set device.cryptoki.pin <PIN>"
      )
    if (input.secret("so-pin") !== undefined)
      yield* terminal.info("--so-pin was not used: a token is initialised by tedge hsm init only")
  })

/** A service with a scope may silently select another key, or none. One that does not return public keys is trusted. */
const refuseOtherKey = (
  { actors }: CommandContext,
  { uri, publicKey }: Made["key"],
  { uri: _token, ...pin }: KeySelector
) =>
  Effect.gen(function* () {
    const key = selectorFor(uri, pin)
    const returned = yield* Effect.option(actors.cryptoki.ask("PublicKey", { key }, { within: askLimits.list }))
    const chosen = yield* Effect.result(
      actors.cryptoki.ask("ChooseScheme", { offered: [], key }, { within: askLimits.list })
    )
    const isOther = Option.isSome(returned) && Buffer.compare(returned.value, publicKey) !== 0
    const isMissing =
      Result.isFailure(chosen) && chosen.failure._tag === "SigningServiceRefused" && lacksKey(chosen.failure)
    if (isOther || isMissing) return yield* new OtherKeyChosen({ uri: shownUri(uri) })
  })

/** Each option is already validated; this checks their combination. */
const keyParameters = (input: CommandInput): Effect.Effect<KeyParameters, OptionsExclude> => {
  const type = input.text("type")
  if (type === "rsa" && input.given("curve"))
    return Effect.fail(new OptionsExclude({ option: "--curve", other: "--type rsa" }))
  if (type !== "rsa" && input.given("bits"))
    return Effect.fail(new OptionsExclude({ option: "--bits", other: "--type ecdsa" }))
  if (type !== "rsa") return Effect.succeed({ type: "ecdsa", curve: input.text("curve") === "p384" ? "p384" : "p256" })
  const bits = Number(input.text("bits"))
  return Effect.succeed({ type: "rsa", bits: bits === 4096 ? 4096 : bits === 3072 ? 3072 : 2048 })
}

/** The token may accept a second object with the same id; the two would be ambiguous. */
const refuseExisting = (context: CommandContext, token: ReturnType<typeof selectorFor>, id: Uint8Array) =>
  Effect.gen(function* () {
    const keys = yield* context.actors.cryptoki.ask("ListKeys", { token }, { within: askLimits.list })
    const same = keys.find((key) => Buffer.compare(key.id, id) === 0)
    if (same !== undefined) return yield* new KeyExists({ token: same.uri.token ?? "", id: printKeyId(id) })
  })

interface KeySetting {
  readonly key: string
  readonly profile?: string | undefined
}

const selectKey = ({ actors, terminal }: CommandContext, { key, profile }: KeySetting, uri: string) =>
  Effect.gen(function* () {
    const setting = profile === undefined ? key : `${key} --profile ${profile}`
    yield* actors.config
      .ask("Set", { key, profile, value: Redacted.make(uri) }, { within: askLimits.read })
      .pipe(Effect.mapError((cause) => new KeyNotSelected({ uri, setting, cause })))
    const shown = profile === undefined ? key : key.replace(".", `.profiles.${profile}.`)
    yield* terminal.answer(`Value of \`${shown}\` was updated to point to the new key\n`)
  })

/** A cloud with its own key does not use `device.key_uri`. */
const reportOtherKeyUsers = ({ actors, input, terminal }: CommandContext, uri: Pkcs11Uri) =>
  Effect.gen(function* () {
    if (input.cloud !== undefined) return
    for (const cloud of cloudWords) {
      const read = yield* Effect.option(actors.config.ask("ReadProfiles", { cloud }, { within: askLimits.read }))
      for (const { cloud: section } of Option.isSome(read) ? read.value.profiles : []) {
        const own = section.device.key.uri
        if (own !== undefined && !sameTarget(own, uri))
          yield* terminal.warning(`${section.prefix}.device.key_uri names another key; that one stays in use there`)
      }
    }
  })
