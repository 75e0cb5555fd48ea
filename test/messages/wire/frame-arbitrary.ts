/** Any frame of the protocol. */
import { Redacted } from "effect"
import * as fc from "fast-check"
import type { Frame } from "../../../src/messages/wire/frame1.ts"

const text = fc.string({ unit: "grapheme", maxLength: 20 })
const bytes = fc.uint8Array({ maxLength: 60 })
const secret = text.map((value) => Redacted.make(value))
const optional = <Value>(value: fc.Arbitrary<Value>) => fc.option(value, { nil: undefined })
const u16 = fc.integer({ min: 0, max: 0xffff })
const scheme = fc.constantFrom(
  "ecdsa_secp256r1_sha256",
  "ecdsa_secp384r1_sha384",
  "ecdsa_secp521r1_sha512",
  "rsa_pss_rsae_sha256",
  "rsa_pkcs1_sha256"
)
const uri = optional(text)
const pin = optional(secret)
const keyKind = fc.oneof(
  fc.record({ type: fc.constant("rsa"), bits: u16 }),
  fc.record({ type: fc.constant("ec"), curve: u16 })
)
const token = fc.record({
  slot: fc.bigInt({ min: 0n, max: (1n << 64n) - 1n }),
  label: text,
  model: text,
  manufacturer: text,
  serial: text,
  initialized: fc.boolean(),
  uri: text
})
const key = fc.record({ class: text, keyType: text, label: text, id: text, uri: text })
const frame = <Tag extends Frame["_tag"], Fields extends object>(
  tag: Tag,
  fields: { [Name in keyof Fields]: fc.Arbitrary<Fields[Name]> }
) => fc.record({ _tag: fc.constant(tag), ...fields }, { noNullPrototype: true })

export const frameArbitrary = fc.oneof(
  frame("Error", { message: text }),
  frame("ChooseSchemeRequest", { offered: fc.array(u16), uri, pin }),
  frame("SignRequest", { toSign: bytes, uri, pin }),
  frame("ChooseSchemeResponse", { scheme: optional(u16), algorithm: fc.integer({ min: 0, max: 255 }) }),
  frame("SignResponse", { signature: bytes }),
  frame("SignRequestWithSigScheme", { toSign: bytes, uri, scheme: optional(scheme), pin }),
  frame("GetPublicKeyPemRequest", { uri }),
  frame("GetPublicKeyPemResponse", { pem: text }),
  frame("Ping", {}),
  frame("Pong", {}),
  frame("CreateKeyRequest", { uri: text, params: fc.record({ key: keyKind, label: text, id: optional(bytes) }), pin }),
  frame("CreateKeyResponse", { pem: text, uri: text }),
  frame("GetTokensUrisRequest", {}),
  frame("GetTokensUrisResponse", { uris: fc.array(text) }),
  frame("InitTokenRequest", { label: text, soPin: pin, pin, uri }),
  frame("InitTokenResponse", { uri: text }),
  frame("ListTokensRequest", {}),
  frame("ListTokensResponse", { tokens: fc.array(token, { maxLength: 4 }) }),
  frame("ChangePinRequest", { uri, newPin: secret, oldPin: pin, soPin: pin, reset: fc.boolean() }),
  frame("ChangePinResponse", { uri: text }),
  frame("DeleteKeyRequest", { uri: text, pin }),
  frame("DeleteKeyResponse", { deleted: fc.array(text) }),
  frame("ListKeysRequest", { uri, pin }),
  frame("ListKeysResponse", { keys: fc.array(key, { maxLength: 4 }) })
) as fc.Arbitrary<Frame>
