/** The frames of protocol version 1: the bytes deployed peers send, and what is made of any others. */
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { Redacted, Result } from "effect"
import * as fc from "fast-check"
import { describe, expect, it } from "vitest"
import { decodeFrame, encodeFrame, type Frame } from "../../../src/messages/wire/frame1.ts"
import { frameArbitrary } from "./frame-arbitrary.ts"
import { plain } from "./plain-frame.ts"

const vectors: ReadonlyArray<{ readonly bytes: ReadonlyArray<number>; readonly means: unknown }> = JSON.parse(
  readFileSync(join(import.meta.dirname, "frame1-vectors.json"), "utf8")
).frames
const onTheSocket = (payload: ReadonlyArray<number>) => Uint8Array.of(0, ...payload)
const decoded = (bytes: Uint8Array): Frame => Result.getOrThrow(decodeFrame(bytes))
const problem = (...bytes: ReadonlyArray<number>) =>
  Result.getOrThrow(Result.flip(decodeFrame(Uint8Array.from(bytes)))).reason

const utf8 = (text: string) => Uint8Array.from(Buffer.from(text))
const secret = (text: string) => Redacted.make(text)
/** What the vectors mean, written by hand in our names, in their order. */
const meanings: ReadonlyArray<Frame> = [
  { _tag: "Error", message: "a" },
  { _tag: "ChooseSchemeRequest", offered: [], uri: undefined, pin: undefined },
  { _tag: "ChooseSchemeRequest", offered: [1027], uri: "uri", pin: secret("pin") },
  { _tag: "SignRequest", toSign: utf8("data"), uri: "key", pin: secret("data") },
  { _tag: "ChooseSchemeResponse", scheme: 2052, algorithm: 1 },
  { _tag: "SignResponse", signature: utf8("signed") },
  {
    _tag: "SignRequestWithSigScheme",
    toSign: utf8("data"),
    uri: "key",
    scheme: "ecdsa_secp256r1_sha256",
    pin: secret("data")
  },
  { _tag: "GetPublicKeyPemRequest", uri: undefined },
  { _tag: "GetPublicKeyPemRequest", uri: "pub_uri" },
  { _tag: "GetPublicKeyPemResponse", pem: "pem" },
  { _tag: "Ping" },
  { _tag: "Pong" },
  {
    _tag: "CreateKeyRequest",
    uri: "asdf",
    params: { key: { type: "ec", curve: 256 }, label: "my key", id: Uint8Array.of(1, 2, 3) },
    pin: secret("pin")
  },
  { _tag: "CreateKeyResponse", pem: "key pem", uri: "key uri" },
  { _tag: "GetTokensUrisRequest" },
  { _tag: "GetTokensUrisResponse", uris: ["a", "b"] },
  { _tag: "InitTokenRequest", label: "tk", soPin: secret("so"), pin: secret("pin"), uri: "pkcs11:slot-id=3" },
  { _tag: "InitTokenRequest", label: "tk", soPin: undefined, pin: undefined, uri: undefined },
  { _tag: "InitTokenResponse", uri: "u" },
  { _tag: "ListTokensRequest" },
  {
    _tag: "ListTokensResponse",
    tokens: [{ slot: 1n, label: "tk", model: "m", manufacturer: "mf", serial: "s", initialized: true, uri: "u" }]
  },
  { _tag: "ChangePinRequest", uri: "u", newPin: secret("np"), oldPin: secret("op"), soPin: secret("so"), reset: true },
  { _tag: "ChangePinRequest", uri: undefined, newPin: secret("np"), oldPin: undefined, soPin: undefined, reset: false },
  { _tag: "ChangePinResponse", uri: "u" },
  { _tag: "DeleteKeyRequest", uri: "u", pin: secret("p") },
  { _tag: "DeleteKeyResponse", deleted: ["a", "b"] },
  { _tag: "ListKeysRequest", uri: "u", pin: secret("p") },
  { _tag: "ListKeysResponse", keys: [{ class: "p", keyType: "E", label: "k", id: "1", uri: "u" }] }
]
const cases = vectors.map(({ bytes, means }, index) => ({
  bytes,
  meaning: meanings[index] ?? { _tag: "Ping" as const },
  name: JSON.stringify(means)
}))

describe("protocol version 1", () => {
  it("is tested with a vector of every frame", () => {
    expect(meanings).toHaveLength(vectors.length)
    expect(new Set(meanings.map((frame) => frame._tag)).size).toBe(24)
  })

  it.each(cases)("writes $name as thin-edge does", ({ bytes, meaning }) => {
    expect([...encodeFrame(meaning)]).toEqual([...onTheSocket(bytes)])
  })

  it.each(cases)("reads $name as thin-edge writes it", ({ bytes, meaning }) => {
    expect(plain(decoded(onTheSocket(bytes)))).toEqual(plain(meaning))
  })

  it("reads back every frame it writes", () =>
    fc.assert(
      fc.property(frameArbitrary, (frame) => {
        expect(plain(decoded(encodeFrame(frame)))).toEqual(plain(frame))
      })
    ))

  it("reads a newer peer's longer frame, without what it does not know", () =>
    fc.assert(
      fc.property(frameArbitrary, fc.uint8Array({ maxLength: 10 }), (frame, added) => {
        const longer = Uint8Array.from(Buffer.concat([encodeFrame(frame), added]))
        expect(plain(decoded(longer))).toEqual(plain(frame))
      })
    ))

  it.each([
    [[0, 1, 0], { _tag: "ChooseSchemeRequest", offered: [], uri: undefined, pin: undefined }],
    [[0, 2, 1, 7], { _tag: "SignRequest", toSign: [7], uri: undefined, pin: undefined }],
    [[0, 2, 1, 7, 1, 1, 97], { _tag: "SignRequest", toSign: [7], uri: "a", pin: undefined }],
    [
      [0, 5, 1, 7, 1, 1, 97, 1, 4],
      { _tag: "SignRequestWithSigScheme", toSign: [7], uri: "a", scheme: "rsa_pkcs1_sha256", pin: undefined }
    ],
    [[0, 6], { _tag: "GetPublicKeyPemRequest", uri: undefined }],
    [
      [0, 10, 0, 1, 128, 3, 1, 97],
      {
        _tag: "CreateKeyRequest",
        uri: "",
        params: { key: { type: "ec", curve: 384 }, label: "a", id: undefined },
        pin: undefined
      }
    ]
  ])("reads an older peer's shorter frame %j", (bytes, meaning) => {
    expect(plain(decoded(Uint8Array.from(bytes)))).toEqual(meaning)
  })

  it("refuses a frame cut anywhere, unless only options are missing", () =>
    fc.assert(
      fc.property(frameArbitrary, (frame) => {
        const bytes = encodeFrame(frame)
        for (let length = 0; length < bytes.length; length++) {
          const result = decodeFrame(bytes.subarray(0, length))
          if (Result.isFailure(result)) expect(result.failure.reason).toMatch(/^(ends-early|unknown-variant)$/)
          else {
            const whole = Buffer.from(encodeFrame(result.success))
            expect(whole.subarray(0, length)).toEqual(Buffer.from(bytes.subarray(0, length)))
            expect([...whole.subarray(length)].every((byte) => byte === 0)).toBe(true)
          }
        }
      })
    ))
})

describe("bytes that are no frame", () => {
  it.each([
    ["nothing", [], "ends-early"],
    ["another version", [1, 8], "unknown-version"],
    ["a frame from the future", [0, 24], "unknown-variant"],
    ["a varint of ten continuation bytes", [0, 2, ...Array<number>(10).fill(0xff)], "varint-too-long"],
    ["a varint that overflows 64 bits", [0, 2, ...Array<number>(9).fill(0xff), 2], "number-too-big"],
    ["a length of 4 GiB", [0, 2, 0xff, 0xff, 0xff, 0xff, 0x0f, 1], "ends-early"],
    ["a count of 4 billion strings", [0, 13, 0xff, 0xff, 0xff, 0xff, 0x0f, 1, 97], "ends-early"],
    ["a string longer than the rest", [0, 0, 5, 97], "ends-early"],
    ["a string that is not UTF-8", [0, 0, 2, 0xc3, 0x28], "bad-utf8"],
    ["a scheme of more than 16 bits", [0, 1, 1, 0xff, 0xff, 0x04, 0, 0], "number-too-big"],
    ["an unknown SigScheme", [0, 5, 0, 0, 1, 5, 0], "unknown-variant"],
    ["an unknown key type", [0, 10, 0, 2, 1, 0, 0, 0], "unknown-variant"],
    ["an option that is neither", [0, 6, 2], "bad-option"],
    ["a bool that is neither", [0, 18, 0, 0, 0, 0, 2], "bad-bool"],
    ["an HTTP request", [...Buffer.from("GET / HTTP/1.1\r\n\r\n")], "unknown-version"]
  ])("are refused: %s", (_, bytes, reason) => {
    expect(problem(...bytes)).toBe(reason)
  })

  it("keep secrets out of the refusal", () => {
    const bytes = encodeFrame({ _tag: "DeleteKeyRequest", uri: "pkcs11:?pin-value=SECRET", pin: secret("SECRET") })
    const failure = Result.getOrThrow(Result.flip(decodeFrame(bytes.subarray(0, bytes.length - 1))))
    expect(JSON.stringify(failure)).not.toContain("SECRET")
  })
})
