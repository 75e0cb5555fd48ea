/** Tokens and keys that are not one of each, as clients of the socket meet them: frames as thin-edge's own clients send them. */
import { constants, createPublicKey, verify } from "node:crypto"
import { Redacted } from "effect"
import { describe, expect, it } from "vitest"
import type { Frame } from "../../../../src/messages/wire/frame1.ts"
import { publicKeyOfWirePem } from "../../../../src/messages/wire/wire-pem.ts"
import { ask } from "../../../actors/p11-server/served.ts"
import { type ServerPlace, serverPlace } from "./server-process.ts"

const message = Buffer.from("to be signed")
const none = { uri: undefined, pin: undefined }
const failed = "PKCS #11 service failed: "

const serve = async (place: ServerPlace): Promise<(frame: Frame) => Promise<Frame>> => {
  await place.start({ args: ["--pin", "123456"] }).logged("Server listening")
  return (frame) => ask(place.socketPath, frame)
}

const text = (frame: Frame): string => (frame._tag === "Error" ? frame.message : `no error: ${frame._tag}`)

/** Every scheme a TLS client offers. */
const offered = [0x0403, 0x0503, 0x0603, 0x0804, 0x0805, 0x0806, 0x0401, 0x0501, 0x0601, 0x0807]

const kinds = [
  ["p256", 0x0403, "ecdsa_secp256r1_sha256", "sha256"],
  ["p384", 0x0503, "ecdsa_secp384r1_sha384", "sha384"],
  ["p521", 0x0603, "ecdsa_secp521r1_sha512", "sha512"],
  ["rsa2048", 0x0804, "rsa_pss_rsae_sha256", "sha256"],
  ["rsa3072", 0x0804, "rsa_pss_rsae_sha256", "sha256"],
  ["rsa4096", 0x0804, "rsa_pss_rsae_sha256", "sha256"]
] as const

it("keys of each kind are selected, reported and used by their label, by their id and by both", async () => {
  const place = serverPlace()
  const token = place.hsm.addToken({ label: "my-token" })
  const keys = kinds.map(([kind, ...expected], at) => ({
    key: token.importKey({ kind, label: kind, id: `0${at + 1}` }),
    expected
  }))
  const answer = await serve(place)
  for (const { key, expected } of keys) {
    const [code, scheme, hash] = expected
    const publicKey = createPublicKey(key.publicKeyPem)
    for (const uri of [
      `pkcs11:object=${key.label}`,
      `pkcs11:id=%${key.id}`,
      `pkcs11:id=%${key.id};object=${key.label}`
    ]) {
      const chosen = await answer({ _tag: "ChooseSchemeRequest", offered, uri, pin: undefined })
      expect(chosen).toMatchObject({ scheme: code, algorithm: key.kind.startsWith("rsa") ? 1 : 3 })
      const told = await answer({ _tag: "GetPublicKeyPemRequest", uri })
      const spki = publicKeyOfWirePem(told._tag === "GetPublicKeyPemResponse" ? told.pem : "")
      expect(Buffer.from(spki ?? [])).toEqual(publicKey.export({ type: "spki", format: "der" }))
      const signed = await answer({ _tag: "SignRequestWithSigScheme", toSign: message, uri, scheme, pin: undefined })
      const pss = scheme.startsWith("rsa") ? { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: 32 } : {}
      const signature = signed._tag === "SignResponse" ? signed.signature : new Uint8Array()
      expect(verify(hash, message, { key: publicKey, ...pss }, signature), `${uri}: ${text(signed)}`).toBe(true)
    }
  }
})

it("a key without a label, and one whose label is all that a URI must encode", async () => {
  const place = serverPlace()
  const token = place.hsm.addToken({ label: "my token; 100%" })
  token.importKey({ label: "a/b;c=d?e&f % ü", id: "02" })
  token.importKey({ label: "", id: "00ff25" })
  const answer = await serve(place)
  const listed = await answer({ _tag: "ListKeysRequest", ...none })
  const keys = listed._tag === "ListKeysResponse" ? listed.keys : []
  expect(keys.map(({ id, label }) => `${id} ${label}`).toSorted()).toEqual(
    ["00ff25 ", "00ff25 ", "02 a/b;c=d?e&f % ü", "02 a/b;c=d?e&f % ü"].toSorted()
  )
  for (const uri of [
    ...keys.map((key) => key.uri),
    "pkcs11:token=my%20token%3B%20100%25;object=a%2Fb%3Bc%3Dd%3Fe%26f%20%25%20%C3%BC",
    "pkcs11:id=%00%FF%25"
  ])
    expect(await answer({ _tag: "SignRequest", toSign: message, uri, pin: undefined }), uri).toMatchObject({
      _tag: "SignResponse"
    })
})

describe("several tokens with one label", () => {
  const names = ["first", "second"]
  const twins = () => {
    const place = serverPlace()
    const all = names.map((key, at) => {
      const token = place.hsm.addToken({ label: "twin" })
      token.importKey({ label: key, id: `0${at + 1}` })
      return token
    })
    return { place, all }
  }

  it("are distinguished by their serial, and all listed", async () => {
    const { place, all } = twins()
    const answer = await serve(place)
    const listed = await answer({ _tag: "ListTokensRequest" })
    expect(
      listed._tag === "ListTokensResponse" ? listed.tokens.filter(({ label }) => label === "twin").length : 0
    ).toBe(2)
    for (const [at, { serial }] of all.entries()) {
      const uri = `pkcs11:serial=${serial};object=${names[at]}`
      expect(await answer({ _tag: "SignRequest", toSign: message, uri, pin: undefined })).toMatchObject({
        _tag: "SignResponse"
      })
    }
  })

  it("are named in the refusal of whatever would change one of them", async () => {
    const { place, all } = twins()
    const answer = await serve(place)
    const refused = [
      await answer({ _tag: "DeleteKeyRequest", uri: "pkcs11:token=twin;object=first", pin: undefined }),
      await answer({
        _tag: "CreateKeyRequest",
        uri: "pkcs11:token=twin",
        params: { key: { type: "ec", curve: 256 }, label: "new", id: undefined },
        pin: undefined
      }),
      await answer({
        _tag: "ChangePinRequest",
        uri: "pkcs11:token=twin",
        newPin: Redacted.make("654321"),
        oldPin: Redacted.make("123456"),
        soPin: undefined,
        reset: false
      })
    ]
    for (const frame of refused) {
      expect(text(frame)).toMatch(/^PKCS #11 service failed: .*Please select one by passing its URI/)
      for (const { serial } of all) expect(text(frame)).toContain(serial)
    }
  })

  it("are left as they are by one more request to initialise that label", async () => {
    const { place, all } = twins()
    const answer = await serve(place)
    const request = {
      _tag: "InitTokenRequest",
      label: "twin",
      uri: undefined,
      pin: Redacted.make("9999"),
      soPin: Redacted.make("87654321")
    } as const
    const named = await Promise.all([answer(request), answer(request), answer(request)])
    for (const frame of named) {
      const uri = frame._tag === "InitTokenResponse" ? frame.uri : text(frame)
      expect(
        all.some(({ serial }) => uri.includes(serial)),
        uri
      ).toBe(true)
    }
    const listed = await answer({ _tag: "ListTokensRequest" })
    expect(
      listed._tag === "ListTokensResponse" ? listed.tokens.filter(({ label }) => label === "twin").length : 0
    ).toBe(2)
  })
})

it("requests that come together to initialise one label make one token", async () => {
  const place = serverPlace()
  const answer = await serve(place)
  const init = { _tag: "InitTokenRequest", label: "tedge", uri: undefined, pin: Redacted.make("1234") } as const
  const asked = { ...init, soPin: Redacted.make("87654321") }
  const made = await Promise.all([answer(asked), answer(asked), answer(asked)])
  expect(new Set(made.map((frame) => (frame._tag === "InitTokenResponse" ? frame.uri : text(frame)))).size).toBe(1)
  const listed = await answer({ _tag: "ListTokensRequest" })
  expect(listed._tag === "ListTokensResponse" ? listed.tokens.filter(({ initialized }) => initialized).length : 0).toBe(
    1
  )
})

describe("a refusal", () => {
  it("says what in the URI keeps it from matching, as clients show nothing else", async () => {
    const place = serverPlace()
    place.hsm.addToken({ label: "my-token" }).importKey({ label: "my-key" })
    const answer = await serve(place)
    const asked = async (uri: string) =>
      text(await answer({ _tag: "SignRequest", toSign: message, uri, pin: undefined }))
    expect(await asked("pkcs11:tokn=my-token;object=my-key")).toContain("has the attribute 'tokn'")
    expect(await asked("pkcs11:slot-id=4711;object=my-key")).toContain("slot numbers change when tokens are added")
    expect(await asked("pkcs11:object=none")).toMatch(
      /^PKCS #11 service failed: Failed to find a signing key: Failed to find a key /
    )
    const told = await answer({ _tag: "GetPublicKeyPemRequest", uri: "pkcs11:object=none" })
    expect(text(told)).toMatch(/^PKCS #11 service failed: Failed to find a key /)
    expect(await answer({ _tag: "DeleteKeyRequest", uri: "pkcs11:object=none", pin: undefined })).toEqual({
      _tag: "DeleteKeyResponse",
      deleted: []
    })
  })

  it("of a request without PIN or SO PIN says which is missing, and nothing is changed", async () => {
    const place = serverPlace()
    place.hsm.addToken({ label: "my-token", pin: "987654" }).importKey({ label: "my-key" })
    await place.start({ args: [] }).logged("Server listening")
    const answer = (frame: Frame) => ask(place.socketPath, frame)
    const init = { _tag: "InitTokenRequest", label: "new", uri: undefined, pin: undefined, soPin: undefined } as const
    expect(text(await answer(init))).toMatch(new RegExp(`^${failed}.*PIN`))
    const change = { uri: "pkcs11:token=my-token", newPin: Redacted.make("1234"), oldPin: undefined, soPin: undefined }
    expect(text(await answer({ _tag: "ChangePinRequest", ...change, reset: true }))).toContain(
      "A Security Officer PIN is required"
    )
    expect(text(await answer({ _tag: "ChangePinRequest", ...change, reset: false }))).toMatch(
      new RegExp(`^${failed}.*PIN`)
    )
    const listed = await answer({ _tag: "ListTokensRequest" })
    expect(
      listed._tag === "ListTokensResponse" ? listed.tokens.filter(({ initialized }) => initialized).length : 0
    ).toBe(1)
  })
})
