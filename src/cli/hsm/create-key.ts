/**
 * `tedge cert create-key-hsm` and `tedge hsm create-key`: a keypair made on the token, and selected.
 *
 * What can be refused is refused before the key is made; what fails after is reported together with the key.
 * Source: thin-edge hsm-support, "Key generation".
 */
import { Effect, Redacted } from "effect"
import type { CryptokiProtocol, KeyParameters } from "../../messages/cryptoki.ts"
import { OptionsExclude } from "../../messages/hsm.ts"
import { printPkcs11Uri } from "../../messages/pkcs11-uri.ts"
import { KeyExists } from "../../messages/token-refusals.ts"
import { pem } from "../../platform/x509.ts"
import type { AnswerOf } from "../../runtime/protocol.ts"
import { refuseUnwritable, replaceText } from "../cert/certificate-files.ts"
import type { CommandInput } from "../command-spec.ts"
import { exitCodes } from "../exit-codes.ts"
import { givenPin } from "./ask-pin.ts"
import { idOption, printKeyId } from "./key-id.ts"
import { makeKey } from "./make-key.ts"
import {
  askLimits,
  type CommandContext,
  chosenToken,
  readTokenSettings,
  selectorFor,
  type TokenCommand
} from "./token-command.ts"

export const createKey: TokenCommand = (context) =>
  Effect.gen(function* () {
    const { input } = context
    const parameters = yield* keyParameters(input)
    const id = yield* idOption(input)
    const pin = yield* givenPin(input, "pin", "user PIN")
    const outfile = input.text("outfile-pubkey")
    if (outfile !== undefined) yield* refuseUnwritable(outfile)
    const { device } = yield* readTokenSettings(context)
    const token = yield* chosenToken(context)
    const selector = selectorFor(token, pin ?? device.key.pin)
    if (id !== undefined) yield* refuseExisting(context, selector, id)
    const label = input.text("label") ?? "tedge"
    const made = makeKey(context, { token: selector, parameters, label, id })
    yield* Effect.uninterruptibleMask((restore) =>
      Effect.flatMap(restore(made), (key) => reportKey(context, key, outfile))
    )
    return exitCodes.ok
  })

/** Whatever happens to the file: a key that is there is shown and selected. */
const reportKey = (
  context: CommandContext,
  key: AnswerOf<CryptokiProtocol, "CreateKey">,
  outfile: string | undefined
) =>
  Effect.gen(function* () {
    const { input, terminal } = context
    const uri = printPkcs11Uri(key.uri, { pin: "redacted" })
    const publicKey = pem("PUBLIC KEY", key.publicKey)
    yield* terminal.answer(`New keypair was successfully created.\nKey URI: ${uri}\nPublic key:\n${publicKey}\n\n`)
    const saved = outfile === undefined ? Effect.void : replaceText(outfile, publicKey)
    yield* selectKey(context, uri)
    yield* Effect.tapError(saved, () => terminal.warning("the key was made and selected; its public half is above"))
    if (input.secret("pin") !== undefined) yield* terminal.info(pinNotWritten)
  })

const pinNotWritten =
  "the PIN was not written to the settings; unless tedge-p11-server knows it: tedge config set device.cryptoki.pin <PIN>"

/** The options were checked against their choices; only their combination is left. */
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

/** The token may take a second object with the same id; nobody could tell the two apart. */
const refuseExisting = (context: CommandContext, token: ReturnType<typeof selectorFor>, id: Uint8Array) =>
  Effect.gen(function* () {
    const keys = yield* context.actors.cryptoki.ask("ListKeys", { token }, { within: askLimits.list })
    const same = keys.find((key) => Buffer.compare(key.id, id) === 0)
    if (same !== undefined) return yield* new KeyExists({ token: same.uri.token ?? "", id: printKeyId(id) })
  })

const selectKey = ({ actors, input, terminal }: CommandContext, uri: string) =>
  Effect.gen(function* () {
    const key = input.cloud === undefined ? "device.key_uri" : `${input.cloud.cloud}.device.key_uri`
    const selector = { key, ...(input.cloud !== undefined && { profile: input.cloud.profile }) }
    yield* actors.config
      .ask("Set", { ...selector, value: Redacted.make(uri) }, { within: askLimits.read })
      .pipe(Effect.tapError(() => terminal.warning(`the key is on the token, but is not selected; its URI is: ${uri}`)))
    const shown = input.cloud?.profile === undefined ? key : key.replace(".", `.profiles.${input.cloud.profile}.`)
    yield* terminal.answer(`Value of \`${shown}\` was updated to point to the new key\n`)
  })
