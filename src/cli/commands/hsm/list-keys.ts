/** `tedge hsm list-keys`: also the curve or size of a key, and the clouds that use it. */

import { createPublicKey } from "node:crypto"
import { Effect } from "effect"
import type { KeyDescription, PinGiven } from "../../../messages/cryptoki.ts"
import { type Pkcs11Uri, shownUri } from "../../../messages/pkcs11-uri.ts"
import { shownText } from "../../../messages/shown-text.ts"
import { cloudWords } from "../../command-line/command-spec.ts"
import { exitCodes } from "../../command-line/exit-codes.ts"
import { givenPin } from "./ask-pin.ts"
import { selectsKey } from "./delete-key.ts"
import { findKeys, keyFilter, printKeyId } from "./find-keys.ts"
import {
  askLimits,
  type CommandContext,
  chosenToken,
  pinFor,
  readTokenSettings,
  resolvedToken,
  selectorFor,
  type TokenCommand
} from "./token-command.ts"

export const listKeys: TokenCommand = (context) =>
  Effect.gen(function* () {
    const { input, terminal } = context
    const given = yield* givenPin(input, "pin", "user PIN")
    const { settings, device } = yield* readTokenSettings(context)
    const pin = pinFor(given, device)
    const filter = yield* keyFilter(input, yield* chosenToken(context))
    const token = yield* resolvedToken(context, settings, filter)
    const found = yield* findKeys(context, token, pin)
    const users = yield* keyUsers(context)
    const sizes = yield* keySizes(context, found, pin)
    const keys = found.map(
      (key): ShownKey => ({ ...key, size: sizes.get(printKeyId(key.id)), users: usersOf(key, found, users) })
    )
    if (input.on("json")) {
      yield* terminal.answer(`${JSON.stringify(keys.map(asJson), null, 2)}\n`)
      return exitCodes.ok
    }
    const filtered = filter.object !== undefined || filter.id !== undefined || filter.type !== undefined
    if (keys.length === 0)
      yield* terminal.line(
        filtered ? "No keys matching the given filters were found on the token." : "No keys were found on the token."
      )
    else yield* terminal.answer(keys.map(block).join("\n"))
    return exitCodes.ok
  })

interface ShownKey extends KeyDescription {
  /** Undefined: the token does not return the public key. */
  readonly size: KeySize | undefined
  /** The clouds that use it. */
  readonly users: ReadonlyArray<string>
}

const asJson = (key: ShownKey) => ({
  class: key.kind,
  type: key.keyType,
  label: key.label,
  id: printKeyId(key.id),
  uri: shownUri(key.uri),
  ...key.size?.json,
  ...(key.kind === "private" && { used_by: key.users }),
  ...(key.otherUses === undefined ? {} : { other_uses: key.otherUses })
})

const block = (key: ShownKey): string =>
  [
    key.kind === "private" ? "Private key" : "Public key",
    `  Label: ${key.label}`,
    `  Id:    ${printKeyId(key.id)}`,
    `  Type:  ${key.keyType}`,
    ...(key.size === undefined ? [] : [`  Size:  ${key.size.text}`]),
    `  URI:   ${shownUri(key.uri)}`,
    ...(key.users.length === 0 ? [] : [`  Used:  ${key.users.join(", ")}`]),
    // A device's key should only sign: with the PIN it could also be used for this.
    ...(key.otherUses === undefined || key.otherUses.length === 0 ? [] : [`  Also:  ${key.otherUses.join(", ")}`]),
    ""
  ]
    .map(shownText)
    .join("\n")

interface KeySize {
  readonly text: string
  readonly json: { readonly curve: string } | { readonly bits: number }
}

/** By id. One request per key, so not for a token with very many keys. */
const keySizes = (
  { actors }: CommandContext,
  keys: ReadonlyArray<KeyDescription>,
  pin: PinGiven
): Effect.Effect<ReadonlyMap<string, KeySize>> =>
  Effect.gen(function* () {
    const sizes = new Map<string, KeySize>()
    const one = new Map(keys.filter(({ id }) => id.length > 0).map((key) => [printKeyId(key.id), key.uri]))
    for (const [id, uri] of [...one].slice(0, maxKeys)) {
      const { type: _type, ...key } = uri
      const asked = actors.cryptoki.ask("PublicKey", { key: selectorFor(key, pin) }, { within: askLimits.list })
      const der = yield* Effect.catch(asked, () => Effect.succeed(undefined)) // listed without this detail
      const size = der === undefined ? undefined : sizeOf(der)
      if (size !== undefined) sizes.set(id, size)
    }
    return sizes
  })

const maxKeys = 64

const sizeOf = (der: Uint8Array): KeySize | undefined => {
  try {
    const { asymmetricKeyDetails = {} } = createPublicKey({ key: Buffer.from(der), format: "der", type: "spki" })
    const { namedCurve, modulusLength } = asymmetricKeyDetails
    if (namedCurve !== undefined) {
      const curve = curves[namedCurve] ?? namedCurve
      return { text: curve, json: { curve } }
    }
    return modulusLength === undefined ? undefined : { text: `${modulusLength} bits`, json: { bits: modulusLength } }
  } catch {
    return undefined // a curve unknown to OpenSSL
  }
}

/** Names of FIPS 186. */
const curves: Readonly<Record<string, string>> = { prime256v1: "P-256", secp384r1: "P-384", secp521r1: "P-521" }

interface KeyUser {
  /** `c8y`, `c8y --profile prod`. */
  readonly name: string
  readonly uri: Pkcs11Uri
}

/** The clouds and profiles that have a URL, each with the URI of its key. */
const keyUsers = ({ actors }: CommandContext): Effect.Effect<ReadonlyArray<KeyUser>> =>
  Effect.gen(function* () {
    const users: Array<KeyUser> = []
    for (const cloud of cloudWords) {
      const read = Effect.catch(
        actors.config.ask("ReadProfiles", { cloud }, { within: askLimits.read }),
        () => Effect.succeed({ profiles: [] }) // unreadable settings of a cloud do not prevent the listing
      )
      for (const { cloud: section } of (yield* read).profiles)
        if (section.url !== undefined)
          users.push({
            name: section.profile === undefined ? cloud : `${cloud} --profile ${section.profile}`,
            uri: section.device.key.uri ?? {}
          })
    }
    return users
  })

/** If a URI matches several keys, the first is used. */
const usersOf = (
  key: KeyDescription,
  all: ReadonlyArray<KeyDescription>,
  users: ReadonlyArray<KeyUser>
): ReadonlyArray<string> =>
  users
    .filter(({ uri }) => all.find((one) => one.kind === "private" && selectsKey(uri, one)) === key)
    .map(({ name }) => name)
