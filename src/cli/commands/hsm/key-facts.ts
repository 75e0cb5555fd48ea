/** Details that list-keys adds to a key: its curve or size, and the clouds that use it. */
import { createPublicKey } from "node:crypto"
import { Effect } from "effect"
import type { KeyDescription, PinGiven } from "../../../messages/cryptoki.ts"
import type { Pkcs11Uri } from "../../../messages/pkcs11-uri.ts"
import { cloudWords } from "../../command-line/command-spec.ts"
import { selectsKey } from "./delete-key.ts"
import { printKeyId } from "./key-id.ts"
import { askLimits, type CommandContext, selectorFor } from "./token-command.ts"

export interface KeyFacts {
  /** Undefined: the token does not return the public key. */
  readonly size: KeySize | undefined
  readonly users: ReadonlyArray<string>
}

interface KeySize {
  readonly text: string
  readonly json: { readonly curve: string } | { readonly bits: number }
}

/** By id. One request per key, so not for a token with very many keys. */
export const keySizes = (
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
export const keyUsers = ({ actors }: CommandContext): Effect.Effect<ReadonlyArray<KeyUser>> =>
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
export const usersOf = (
  key: KeyDescription,
  all: ReadonlyArray<KeyDescription>,
  users: ReadonlyArray<KeyUser>
): ReadonlyArray<string> =>
  users
    .filter(({ uri }) => all.find((one) => one.kind === "private" && selectsKey(uri, one)) === key)
    .map(({ name }) => name)
