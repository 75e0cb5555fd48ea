/**
 * `tedge hsm delete-key`: shows the key it found, asks, deletes exactly that key.
 *
 * Refuses a key that any cloud or profile uses: URIs are compared by the key they select, not by their text.
 */
import { Effect, Option } from "effect"
import { readCertificateChain } from "../../../actors/mqtt/dial/credentials.ts"
import type { KeyDescription, PinGiven } from "../../../messages/cryptoki.ts"
import { InputClosed, KeyInUse, KeySelectorMissing } from "../../../messages/hsm.ts"
import type { Pkcs11Uri } from "../../../messages/pkcs11-uri.ts"
import { shownUri } from "../../../messages/pkcs11-uri.ts"
import { matchesObject, sameAttribute, sameTarget } from "../../../messages/pkcs11-uri-match.ts"
import { KeyAmbiguous } from "../../../messages/token-refusals.ts"
import { cloudWords } from "../../command-line/command-spec.ts"
import { exitCodes } from "../../command-line/exit-codes.ts"
import { givenPin } from "./ask-pin.ts"
import { deleteShown, refuseOtherKey } from "./checked-delete.ts"
import { findKeys, keyFilter } from "./find-keys.ts"
import {
  askLimits,
  type CommandContext,
  chosenToken,
  everyProfile,
  pinFor,
  readTokenSettings,
  resolvedToken,
  selectorFor,
  type TokenCommand
} from "./token-command.ts"

export const deleteKey: TokenCommand = (context) =>
  Effect.gen(function* () {
    const { input, terminal } = context
    const given = yield* givenPin(input, "pin", "user PIN")
    const { settings, device } = yield* readTokenSettings(context)
    const filter = yield* keyFilter(input, yield* chosenToken(context))
    if (filter.object === undefined && filter.id === undefined)
      return yield* new KeySelectorMissing({ command: "tedge hsm delete-key" })
    const pin = pinFor(given, device)
    const found = yield* findKeys(context, yield* resolvedToken(context, settings, filter), pin)
    const key = yield* singleKey(found)
    if (key === undefined) {
      yield* terminal.line("No matching key was found; nothing to delete.")
      return exitCodes.ok
    }
    const users = (yield* namedKeys(context)).filter(({ uri }) => selectsKey(uri, key))
    if (users.length > 0)
      return yield* new KeyInUse({ uri: shownUri(key.uri), settings: users.map(({ setting }) => setting) })
    if (settings.cryptoki.mode === "socket") yield* refuseOtherKey(context, key, pin)
    yield* warnOfCertificate(context, key, pin)
    yield* terminal.line(`This key will be permanently deleted from the token:\n  ${shownUri(key.uri)}`)
    if (!input.on("force") && !(yield* confirmed(context))) {
      yield* terminal.line("Aborted; no keys were deleted.")
      return exitCodes.ok
    }
    const deleted = yield* deleteShown(context, key, pin)
    yield* terminal.line(`Deleted ${deleted.length} object(s):`)
    yield* terminal.answer(deleted.map((uri) => `${shownUri(uri)}\n`).join(""))
    return exitCodes.ok
  })

/** The key in use may be in no setting: during a key change the settings already name the new one. */
const warnOfCertificate = (context: CommandContext, key: KeyDescription, pin: PinGiven) =>
  Effect.gen(function* () {
    const { actors, terminal } = context
    const { type: _type, ...uri } = key.uri
    const asked = actors.cryptoki.ask("PublicKey", { key: selectorFor(uri, pin) }, { within: askLimits.list })
    const half = yield* Effect.option(asked) // a token that does not return it: unknown
    if (Option.isNone(half)) return
    for (const path of yield* certificatePaths(context)) {
      const read = yield* Effect.option(readCertificateChain(path))
      const own = Option.isSome(read) ? read.value.device.publicKey.export({ type: "spki", format: "der" }) : undefined
      if (own?.equals(half.value) === true)
        yield* terminal.warning(`it is the key of the certificate '${path}', which cannot connect without it`)
    }
  })

const certificatePaths = ({ actors }: CommandContext) =>
  Effect.gen(function* () {
    const within = { within: askLimits.read }
    const paths = new Set([(yield* actors.config.ask("ReadSettings", undefined, within)).settings.device.certPath])
    for (const cloud of cloudWords)
      for (const profile of (yield* actors.config.ask("ReadProfiles", { cloud }, within)).profiles)
        paths.add(profile.cloud.device.certPath)
    return paths
  })

/** A keypair is one key: both objects have the same id. */
const singleKey = (found: ReadonlyArray<KeyDescription>) => {
  const [first] = found
  const others = found.filter((key) => first !== undefined && Buffer.compare(key.id, first.id) !== 0)
  return others.length === 0
    ? Effect.succeed(found.find((key) => key.kind === "private") ?? first)
    : Effect.fail(new KeyAmbiguous({ candidates: [...new Set(found.map((key) => shownUri(key.uri)))] }))
}

const confirmed = ({ prompts }: CommandContext) =>
  Effect.flatMap(prompts.yes("Continue? [y/N]: "), (answer) =>
    answer === undefined ? Effect.fail(new InputClosed({ option: "--force" })) : Effect.succeed(answer)
  )

/** Every key URI of the settings, of all clouds and profiles, by setting name. */
const namedKeys = ({ actors }: CommandContext) =>
  Effect.gen(function* () {
    const within = { within: askLimits.read }
    const { settings } = yield* actors.config.ask("ReadSettings", undefined, within)
    const own = { setting: "device.key_uri", uri: settings.device.key.uri }
    const clouds = yield* Effect.forEach(["c8y", "az", "aws"] as const, (cloud) =>
      Effect.map(everyProfile(actors, cloud), (profiles) =>
        profiles.map((profile) => ({
          setting: `${profile.cloud.prefix}.device.key_uri`,
          uri: profile.cloud.device.key.uri
        }))
      )
    )
    const scope = {
      setting: "device.cryptoki.uri",
      uri:
        settings.cryptoki.uri?.object === undefined && settings.cryptoki.uri?.id === undefined
          ? undefined
          : settings.cryptoki.uri
    }
    // A cloud without its own key inherits that of the device.
    const ofClouds = clouds.flat().filter(({ uri }) => uri !== own.uri && !(uri && own.uri && sameTarget(uri, own.uri)))
    return [own, ...ofClouds, scope].flatMap(({ setting, uri }) => (uri === undefined ? [] : [{ setting, uri }]))
  })

/** Whether the setting's URI selects this key; token attributes missing in either do not distinguish them. */
export const selectsKey = (uri: Pkcs11Uri, key: KeyDescription): boolean =>
  matchesObject({ ...uri, type: "private" }, { ...key, kind: "private" }) &&
  (["token", "serial", "model", "manufacturer"] as const).every(
    (field) => uri[field] === undefined || key.uri[field] === undefined || sameAttribute(uri[field], key.uri[field])
  )
