/** What the signing service answers to each request, as deployed clients send it. */
import { createVerify } from "node:crypto"
import { Effect, Redacted, Result } from "effect"
import { describe, expect, it } from "vitest"
import { parsePkcs11Uri } from "../../../src/messages/pkcs11-uri.ts"
import { PinRejected, TokenAmbiguous, TokenNotFound } from "../../../src/messages/token-refusals.ts"
import { encodeFrame, type Frame } from "../../../src/messages/wire/frame1.ts"
import { publicKeyOfWirePem } from "../../../src/messages/wire/wire-pem.ts"
import { fakeToken } from "../../../src/testing/fake-token.ts"
import { ask, exchange, type Served, withServed } from "./served.ts"

const message = Uint8Array.from(Buffer.from("to be signed"))
const uriOf = (text: string) => Result.getOrThrow(parsePkcs11Uri(text))
const none = { uri: undefined, pin: undefined }
const answers = (kit: Served, frame: Frame) => Effect.promise(() => ask(kit.socketPath, frame))
const error = (kit: Served, frame: Frame) =>
  Effect.map(answers(kit, frame), (answer) => (answer._tag === "Error" ? answer.message : `no error: ${answer._tag}`))

describe("the signing service", () => {
  it("answers an error in one line that reads as it stands, whatever a client wrote", () =>
    withServed({}, (kit) =>
      Effect.gen(function* () {
        const uri = "pkcs11:object=a\u202e\u2066b\u2028c\u2029d\u0085e\u001b[31m"
        expect(yield* error(kit, { _tag: "GetPublicKeyPemRequest", uri })).toMatch(/^[\x20-\x7e]*$/)
      })
    ))

  it("answers a ping", () =>
    withServed({}, (kit) =>
      Effect.gen(function* () {
        expect(yield* answers(kit, { _tag: "Ping" })).toEqual({ _tag: "Pong" })
      })
    ))

  it("chooses a scheme, or only returns the algorithm if none was offered", () =>
    withServed({}, (kit) =>
      Effect.gen(function* () {
        const chosen = { _tag: "ChooseSchemeResponse", scheme: 0x0403, algorithm: 3 }
        expect(
          yield* answers(kit, { _tag: "ChooseSchemeRequest", offered: [0x0804, 0x0403, 0xfefe], ...none })
        ).toEqual(chosen)
        const algorithmOnly = { ...chosen, scheme: undefined }
        expect(yield* answers(kit, { _tag: "ChooseSchemeRequest", offered: [], ...none })).toEqual(algorithmOnly)
      })
    ))

  it("signs for old clients and for new ones", () =>
    withServed({}, (kit) =>
      Effect.gen(function* () {
        const old = yield* answers(kit, { _tag: "SignRequest", toSign: message, ...none })
        const scheme = "ecdsa_secp256r1_sha256"
        const newer = yield* answers(kit, { _tag: "SignRequestWithSigScheme", toSign: message, scheme, ...none })
        for (const answer of [old, newer]) {
          const signature = answer._tag === "SignResponse" ? answer.signature : new Uint8Array()
          expect(createVerify("sha256").update(message).verify(kit.publicKeyPem, signature)).toBe(true)
        }
      })
    ))

  it("gives the public key in the form deployed clients expect", () =>
    withServed({}, (kit) =>
      Effect.gen(function* () {
        const answer = yield* answers(kit, { _tag: "GetPublicKeyPemRequest", uri: "pkcs11:object=my-key" })
        const der = publicKeyOfWirePem(answer._tag === "GetPublicKeyPemResponse" ? answer.pem : "") ?? new Uint8Array()
        const body = kit.publicKeyPem.split("\n").slice(1, -2).join("")
        expect(Buffer.from(der).toString("base64")).toBe(body)
      })
    ))

  it("lists tokens and keys", () =>
    withServed({}, (kit) =>
      Effect.gen(function* () {
        const uri = "pkcs11:model=Fake;manufacturer=tests;serial=f00d;token=my-token"
        expect(yield* answers(kit, { _tag: "GetTokensUrisRequest" })).toEqual({
          _tag: "GetTokensUrisResponse",
          uris: [uri]
        })
        expect(yield* answers(kit, { _tag: "ListTokensRequest" })).toMatchObject({
          tokens: [{ label: "my-token", initialized: true, uri }]
        })
        const key = { keyType: "EC", label: "my-key", id: "01", uri: `${uri};id=%01;object=my-key` }
        const keys = [
          { ...key, class: "private" },
          { ...key, class: "public" }
        ]
        expect(yield* answers(kit, { _tag: "ListKeysRequest", ...none })).toEqual({ _tag: "ListKeysResponse", keys })
      })
    ))

  it("creates and deletes a key, changes the PIN, and initialises", () =>
    withServed({}, (kit) =>
      Effect.gen(function* () {
        const params = { key: { type: "ec", curve: 256 }, label: "new", id: Uint8Array.of(0xab) } as const
        const created = yield* answers(kit, {
          _tag: "CreateKeyRequest",
          uri: "pkcs11:token=my-token",
          params,
          pin: undefined
        })
        expect(created).toMatchObject({ _tag: "CreateKeyResponse", uri: expect.stringContaining("id=%AB;object=new") })
        const deleted = yield* answers(kit, { _tag: "DeleteKeyRequest", uri: "pkcs11:object=new", pin: undefined })
        expect(deleted).toMatchObject({ _tag: "DeleteKeyResponse", deleted: [expect.stringContaining("object=new")] })
        const newPin = Redacted.make("654321")
        const change = {
          _tag: "ChangePinRequest",
          uri: undefined,
          newPin,
          oldPin: undefined,
          soPin: undefined,
          reset: false
        } as const
        expect(yield* answers(kit, change)).toMatchObject({ _tag: "ChangePinResponse" })
        expect(kit.token.state.pin).toBe("654321")
        const init = {
          _tag: "InitTokenRequest",
          label: "fresh",
          soPin: undefined,
          pin: newPin,
          uri: undefined
        } as const
        // No slot is free, and the only token there is can be used: it is left as it is, as thin-edge's service does.
        expect(yield* answers(kit, init)).toMatchObject({
          _tag: "InitTokenResponse",
          uri: expect.stringContaining("token=my-token")
        })
        const missing = { _tag: "DeleteKeyRequest", uri: "pkcs11:object=none", pin: newPin } as const
        expect(yield* answers(kit, missing)).toEqual({ _tag: "DeleteKeyResponse", deleted: [] })
      })
    ))

  it("refuses sizes and curves it does not make", () =>
    withServed({}, (kit) =>
      Effect.gen(function* () {
        for (const key of [
          { type: "rsa", bits: 1024 },
          { type: "ec", curve: 521 }
        ] as const) {
          const request = {
            _tag: "CreateKeyRequest",
            uri: "pkcs11:",
            params: { key, label: "x", id: undefined },
            pin: undefined
          } as const
          expect(yield* error(kit, request)).toContain("cannot be used")
        }
      })
    ))

  it("takes the PIN of the URI, then the one beside it, then its own", () =>
    withServed({ token: fakeToken({ label: "my-token", defaultPin: "of the service" }) }, (kit) =>
      Effect.gen(function* () {
        const wrong = Redacted.make("wrong")
        const byUri = { _tag: "SignRequest", toSign: message, uri: "pkcs11:?pin-value=123456", pin: wrong } as const
        expect(yield* answers(kit, byUri)).toMatchObject({ _tag: "SignResponse" })
        const byPin = { _tag: "SignRequest", toSign: message, uri: "pkcs11:", pin: Redacted.make("123456") } as const
        expect(yield* answers(kit, byPin)).toMatchObject({ _tag: "SignResponse" })
        expect(yield* error(kit, { _tag: "SignRequest", toSign: message, ...none })).toContain("a different PIN")
      })
    ))
})

describe("an Error frame", () => {
  it("has the fragments deployed scripts look for", () =>
    withServed({}, (kit) =>
      Effect.gen(function* () {
        const wrongPin = yield* error(kit, {
          _tag: "SignRequest",
          toSign: message,
          uri: undefined,
          pin: Redacted.make("no")
        })
        expect(wrongPin).toMatch(/^PKCS #11 service failed: .*The specified PIN is incorrect/)
        const unknownKey = yield* error(kit, {
          _tag: "SignRequest",
          toSign: message,
          uri: "pkcs11:object=none",
          pin: undefined
        })
        expect(unknownKey).toMatch(/^PKCS #11 service failed: .*Failed to find a signing key.*Failed to find a key/)
        const unknownToken = yield* error(kit, {
          _tag: "SignRequest",
          toSign: message,
          uri: "pkcs11:token=none",
          pin: undefined
        })
        expect(unknownToken).toMatch(/^PKCS #11 service failed: .*Didn't find a slot to use/)
        expect(yield* error(kit, { _tag: "Pong" })).toBe("invalid request")
        expect(yield* error(kit, { _tag: "SignResponse", signature: message })).toBe("invalid request")
        const garbage = yield* Effect.promise(() => exchange(kit.socketPath, Buffer.from("GET / HTTP/1.1\r\n\r\n")))
        expect(garbage).toMatchObject({ message: expect.stringContaining("Failed to parse the received frame") })
        const badUri = yield* error(kit, { _tag: "GetPublicKeyPemRequest", uri: "token=a" })
        expect(badUri).toContain("missing PKCS #11 URI scheme")
      })
    ))

  it("is one line without control characters or PIN", () =>
    withServed({}, (kit) =>
      Effect.gen(function* () {
        const uri = "pkcs11:object=x%0Ay%1B%5B31m?pin-value=SECRET%0A"
        kit.token.state.failNext = new PinRejected({ token: "evil\n\u001b[31mtoken\u2028", reason: "incorrect" })
        for (const request of [
          uri,
          "pkcs11:object=none?pin-value=SECRET",
          "pkcs11:type=?pin-value=SECRET",
          "pkcs11:\n?pin-value=SECRET"
        ]) {
          const text = yield* error(kit, {
            _tag: "SignRequest",
            toSign: message,
            uri: request,
            pin: Redacted.make("SECRET")
          })
          expect(text).not.toMatch(/\p{Cc}|\p{Zl}|SECRET/u)
        }
        expect(JSON.stringify(kit.events)).not.toContain("SECRET")
      })
    ))

  it("says so instead of an answer that is longer than the protocol allows", () =>
    withServed({}, (kit) =>
      Effect.gen(function* () {
        for (let key = 0; key < 40; key++) kit.token.addKey("x".repeat(12_000), key.toString(16).padStart(4, "0"))
        const tooLong = yield* error(kit, { _tag: "ListKeysRequest", uri: undefined, pin: undefined })
        expect(tooLong).toMatch(/^PKCS #11 service failed: the answer has \d{7} bytes.*1 MiB.*id or label$/)
        expect(kit.events.at(-1)).toMatchObject({ _tag: "RequestRefused", operation: "list" })
        const one = yield* answers(kit, { _tag: "ListKeysRequest", uri: "pkcs11:id=%00%01", pin: undefined })
        expect(one).toMatchObject({ _tag: "ListKeysResponse", keys: [{ id: "0001" }, { id: "0001" }] })
      })
    ))

  it("signs with the key of a URI that calls it public, and says that the type does not count", () =>
    withServed({}, (kit) =>
      Effect.gen(function* () {
        const uri = "pkcs11:object=my-key;type=public"
        expect(yield* answers(kit, { _tag: "SignRequest", toSign: message, uri, pin: undefined })).toMatchObject({
          _tag: "SignResponse"
        })
        expect(kit.events).toContainEqual(
          expect.objectContaining({ _tag: "ClientAttributeIgnored", attribute: "type" })
        )
      })
    ))

  it("contains the public key for a URI of another type, whose type is logged as ignored", () =>
    withServed({}, (kit) =>
      Effect.gen(function* () {
        for (const type of ["cert", "data", "secret-key"]) {
          const before = kit.events.length
          const uri = `pkcs11:object=my-key;type=${type}`
          expect(yield* answers(kit, { _tag: "GetPublicKeyPemRequest", uri })).toMatchObject({
            _tag: "GetPublicKeyPemResponse"
          })
          expect(kit.events.slice(before)).toContainEqual(
            expect.objectContaining({ _tag: "ClientAttributeIgnored", attribute: "type" })
          )
        }
      })
    ))

  it("contains the existing keys if one is missing, for a client that may list them", () =>
    withServed({}, (kit) =>
      Effect.gen(function* () {
        kit.token.addKey("second", "02")
        for (const request of [
          { _tag: "GetPublicKeyPemRequest", uri: "pkcs11:object=none" },
          { _tag: "SignRequest", toSign: message, uri: "pkcs11:object=none", pin: undefined }
        ] as const) {
          const missing = yield* error(kit, request)
          expect(missing).toMatch(
            /Failed to find a key .*; keys found: pkcs11:.*object=my-key, pkcs11:.*object=second$/
          )
        }
      })
    ))

  it("contains the choices and what is missing, as its clients print nothing else", () =>
    withServed({}, (kit) =>
      Effect.gen(function* () {
        const missing = yield* error(kit, { _tag: "GetPublicKeyPemRequest", uri: "pkcs11:object=none" })
        expect(missing).toMatch(/^PKCS #11 service failed: Failed to find a key .*; keys found: pkcs11:/)
        kit.token.state.failNext = new TokenNotFound({
          uri: "pkcs11:token=x",
          present: ["pkcs11:token=a"],
          forKey: true
        })
        expect(yield* error(kit, { _tag: "SignRequest", toSign: message, ...none })).toMatch(
          /Failed to find a signing key: Didn't find a slot to use.*tokens found: pkcs11:token=a$/
        )
        kit.token.state.failNext = new TokenAmbiguous({ candidates: ["pkcs11:token=b", "pkcs11:token=a"] })
        const several = { _tag: "DeleteKeyRequest", uri: "pkcs11:object=my-key", pin: undefined } as const
        expect(yield* error(kit, several)).toMatch(
          /several tokens match. Please select one by passing its URI: pkcs11:token=a, pkcs11:token=b$/
        )
        const reset = {
          uri: undefined,
          newPin: Redacted.make("1234"),
          oldPin: undefined,
          soPin: undefined,
          reset: true
        }
        expect(yield* error(kit, { _tag: "ChangePinRequest", ...reset })).toContain(
          "A Security Officer PIN is required"
        )
      })
    ))

  it("names its own setting when its scope is wrong, and nothing outside of it", () =>
    withServed({ policy: { scope: uriOf("pkcs11:token=wrong") } }, (kit) =>
      Effect.gen(function* () {
        const onOtherToken = {
          token: "secret-token",
          uri: "pkcs11:token=secret-token;object=k",
          seen: "publicKey"
        } as const
        const present = ["pkcs11:token=secret-token"]
        kit.token.state.failNext = new TokenNotFound({ uri: "pkcs11:token=wrong", present, forKey: true, onOtherToken })
        const text = yield* error(kit, { _tag: "SignRequest", toSign: message, ...none })
        expect(text).toContain("device.cryptoki.uri of tedge-p11-server allows 'pkcs11:token=wrong' only")
        expect(text).not.toContain("secret-token")
      })
    ))

  it("names in the audit the key that was used, and not the one asked for", () =>
    withServed({}, (kit) =>
      Effect.gen(function* () {
        for (const uri of [undefined, "pkcs11:", "pkcs11:object=my-key?pin-value=123456"]) {
          yield* answers(kit, { _tag: "SignRequest", toSign: message, uri, pin: undefined })
          expect(kit.events.at(-1)).toMatchObject({
            _tag: "RequestServed",
            uri: expect.stringMatching(/^pkcs11:.*serial=.*id=%01;object=my-key$/)
          })
          yield* answers(kit, { _tag: "ChooseSchemeRequest", offered: [0x0403], uri, pin: undefined })
          expect(kit.events.at(-1)).toMatchObject({ uri: expect.stringContaining("id=%01") })
        }
      })
    ))

  it("answers an older client's shorter frame and a newer one's longer frame", () =>
    withServed({}, (kit) =>
      Effect.gen(function* () {
        const short = Uint8Array.of(0, 2, 1, 7)
        expect(yield* Effect.promise(() => exchange(kit.socketPath, short))).toMatchObject({ _tag: "SignResponse" })
        const long = Buffer.concat([encodeFrame({ _tag: "Ping" }), Buffer.alloc(100, 1)])
        expect(yield* Effect.promise(() => exchange(kit.socketPath, long))).toEqual({ _tag: "Pong" })
      })
    ))
})
