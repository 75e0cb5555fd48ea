/**
 * Version 1 of the protocol between `tedge`, `tedge-mapper` and `tedge-p11-server`: its messages and their encoding.
 *
 * Frozen, because users mix versions. The order of the table and of its fields is the encoding.
 * A decoder ignores bytes after the last known field; absent trailing options are none.
 * Source: thin-edge tedge-p11-server, `frame1.rs`; the vectors of the test come from there.
 */
import { Data, Redacted, Result } from "effect"
import * as postcard from "./postcard.ts"

type Secret = Redacted.Redacted<string>

/** Frame name -> fields. A `uri` may contain a PIN: it is for parsing, never for printing. */
interface Frame1 {
  readonly Error: { readonly message: string }
  readonly ChooseSchemeRequest: {
    /** TLS SignatureScheme code points. */
    readonly offered: ReadonlyArray<number>
    readonly uri: string | undefined
    readonly pin: Secret | undefined
  }
  readonly SignRequest: {
    /** The message, not its digest. */
    readonly toSign: Uint8Array
    readonly uri: string | undefined
    readonly pin: Secret | undefined
  }
  readonly ChooseSchemeResponse: {
    readonly scheme: number | undefined
    /** TLS SignatureAlgorithm: 1 RSA, 3 ECDSA. */
    readonly algorithm: number
  }
  readonly SignResponse: { readonly signature: Uint8Array }
  readonly SignRequestWithSigScheme: {
    readonly toSign: Uint8Array
    readonly uri: string | undefined
    readonly scheme: WireScheme | undefined
    readonly pin: Secret | undefined
  }
  readonly GetPublicKeyPemRequest: { readonly uri: string | undefined }
  /** See `wire-pem.ts`: not a SubjectPublicKeyInfo. */
  readonly GetPublicKeyPemResponse: { readonly pem: string }
  readonly Ping: Record<never, never>
  readonly Pong: Record<never, never>
  readonly CreateKeyRequest: {
    readonly uri: string
    readonly params: WireKeyParameters
    readonly pin: Secret | undefined
  }
  readonly CreateKeyResponse: { readonly pem: string; readonly uri: string }
  readonly GetTokensUrisRequest: Record<never, never>
  readonly GetTokensUrisResponse: { readonly uris: ReadonlyArray<string> }
  readonly InitTokenRequest: {
    readonly label: string
    readonly soPin: Secret | undefined
    readonly pin: Secret | undefined
    readonly uri: string | undefined
  }
  readonly InitTokenResponse: { readonly uri: string }
  readonly ListTokensRequest: Record<never, never>
  readonly ListTokensResponse: { readonly tokens: ReadonlyArray<WireToken> }
  readonly ChangePinRequest: {
    readonly uri: string | undefined
    readonly newPin: Secret
    readonly oldPin: Secret | undefined
    readonly soPin: Secret | undefined
    readonly reset: boolean
  }
  readonly ChangePinResponse: { readonly uri: string }
  readonly DeleteKeyRequest: { readonly uri: string; readonly pin: Secret | undefined }
  /** URIs of the destroyed objects. */
  readonly DeleteKeyResponse: { readonly deleted: ReadonlyArray<string> }
  readonly ListKeysRequest: { readonly uri: string | undefined; readonly pin: Secret | undefined }
  readonly ListKeysResponse: { readonly keys: ReadonlyArray<WireKey> }
}

export type FrameTag = keyof Frame1
/** A frame: its name and its fields. */
export type Frame = { readonly [Tag in FrameTag]: { readonly _tag: Tag } & Frame1[Tag] }[FrameTag]

interface WireToken {
  readonly slot: bigint
  readonly label: string
  readonly model: string
  readonly manufacturer: string
  readonly serial: string
  readonly initialized: boolean
  readonly uri: string
}

export interface WireKey {
  /** "private" or "public". */
  readonly class: string
  /** "RSA" or "EC". */
  readonly keyType: string
  readonly label: string
  /** CKA_ID in hex digits. */
  readonly id: string
  readonly uri: string
}

export interface WireKeyParameters {
  readonly key: { readonly type: "rsa"; readonly bits: number } | { readonly type: "ec"; readonly curve: number }
  readonly label: string
  readonly id: Uint8Array | undefined
}

/** In the order of the protocol's SigScheme. */
const wireSchemes = [
  "ecdsa_secp256r1_sha256",
  "ecdsa_secp384r1_sha384",
  "ecdsa_secp521r1_sha512",
  "rsa_pss_rsae_sha256",
  "rsa_pkcs1_sha256"
] as const

/** The schemes the protocol can ask for; the other ones of TLS it cannot name. */
type WireScheme = (typeof wireSchemes)[number]

export const isWireScheme = (scheme: string): scheme is WireScheme => wireSchemes.some((known) => known === scheme)

/** The bytes are no frame of ours. */
export class FrameNotDecoded extends Data.TaggedError("FrameNotDecoded")<{
  readonly reason: postcard.DecodeProblem
  /** The frame it was about, when its name could still be read. */
  readonly frame: FrameTag | undefined
}> {}

/** Only version of the protocol there is: `Frame::Version1`. */
const version1 = 0

/** The bytes of a frame, as they go over the socket. */
export const encodeFrame = (frame: Frame): Uint8Array => {
  const out: Array<Uint8Array> = []
  postcard.u32.write(out, version1)
  postcard.u32.write(out, tags.indexOf(frame._tag))
  codecOf(frame._tag).write(out, frame)
  return new Uint8Array(Buffer.concat(out))
}

/** Reads a frame; allocates no more than some times its length, whatever it claims. */
export const decodeFrame = (bytes: Uint8Array): Result.Result<Frame, FrameNotDecoded> => {
  const from = postcard.readerOf(bytes)
  if (postcard.u32.read(from) !== version1) postcard.refuse(from, "unknown-version")
  const tag = from.problem === undefined ? tags[postcard.u32.read(from)] : undefined
  if (tag === undefined) postcard.refuse(from, "unknown-variant")
  const fields = tag === undefined || from.problem !== undefined ? undefined : codecOf(tag).read(from)
  return from.problem !== undefined
    ? Result.fail(new FrameNotDecoded({ reason: from.problem, frame: tag }))
    : Result.succeed({ _tag: tag, ...fields } as Frame)
}

const secret: postcard.Codec<Secret> = postcard.mapped(postcard.string, Redacted.make, Redacted.value)
const uri = postcard.option(postcard.string)
const pin = postcard.option(secret)
const { string, bytes, bool, option, sequence, struct, u8, u16, u32 } = postcard

const keyKind: postcard.Codec<WireKeyParameters["key"]> = {
  write: (out, key) => {
    u32.write(out, key.type === "rsa" ? 0 : 1)
    u16.write(out, key.type === "rsa" ? key.bits : key.curve)
  },
  read: (from) => {
    const variant = u32.read(from)
    const size = u16.read(from)
    if (variant > 1) postcard.refuse(from, "unknown-variant")
    return variant === 0 ? { type: "rsa", bits: size } : { type: "ec", curve: size }
  }
}

const wireToken = struct<WireToken>({
  slot: postcard.u64,
  label: string,
  model: string,
  manufacturer: string,
  serial: string,
  initialized: bool,
  uri: string
})
const scheme = postcard.enumeration(wireSchemes, "ecdsa_secp256r1_sha256")

/** By variant index, from 0. */
const codecs: { readonly [Tag in FrameTag]: postcard.Codec<Frame1[Tag]> } = {
  Error: struct({ message: string }),
  ChooseSchemeRequest: struct({ offered: sequence(u16), uri, pin }),
  SignRequest: struct({ toSign: bytes, uri, pin }),
  ChooseSchemeResponse: struct({ scheme: option(u16), algorithm: u8 }),
  SignResponse: struct({ signature: bytes }),
  SignRequestWithSigScheme: struct({ toSign: bytes, uri, scheme: option(scheme), pin }),
  GetPublicKeyPemRequest: struct({ uri }),
  GetPublicKeyPemResponse: struct({ pem: string }),
  Ping: struct({}),
  Pong: struct({}),
  CreateKeyRequest: struct({
    uri: string,
    params: struct<WireKeyParameters>({ key: keyKind, label: string, id: option(bytes) }),
    pin
  }),
  CreateKeyResponse: struct({ pem: string, uri: string }),
  GetTokensUrisRequest: struct({}),
  GetTokensUrisResponse: struct({ uris: sequence(string) }),
  InitTokenRequest: struct({ label: string, soPin: pin, pin, uri }),
  InitTokenResponse: struct({ uri: string }),
  ListTokensRequest: struct({}),
  ListTokensResponse: struct({ tokens: sequence(wireToken) }),
  ChangePinRequest: struct({ uri, newPin: secret, oldPin: pin, soPin: pin, reset: bool }),
  ChangePinResponse: struct({ uri: string }),
  DeleteKeyRequest: struct({ uri: string, pin }),
  DeleteKeyResponse: struct({ deleted: sequence(string) }),
  ListKeysRequest: struct({ uri, pin }),
  ListKeysResponse: struct({
    keys: sequence(struct<WireKey>({ class: string, keyType: string, label: string, id: string, uri: string }))
  })
}

const tags = Object.keys(codecs) as ReadonlyArray<FrameTag>
/** The table is keyed by the tag, so the codec found is the frame's own. */
const codecOf = (tag: FrameTag) => codecs[tag] as postcard.Codec<object>
