/** Signing with keys in SoftHSM2, through CryptokiActor and its token host. */
import { execFileSync } from "node:child_process"
import { constants, createPublicKey, verify } from "node:crypto"
import { join } from "node:path"
import { Effect } from "effect"
import { describe, expect, it } from "vitest"
import type { SignatureScheme } from "../../../../src/messages/signature-scheme.ts"
import { pkcs11Tool } from "../../../support/token/pkcs11-tool.ts"
import type { SoftHsmDirectory } from "../../../support/token/softhsm.ts"
import { by, isSignature, message, run, startSoftHsm, uri } from "../module-kit.ts"

const everyScheme: ReadonlyArray<SignatureScheme> = [
  "rsa_pkcs1_sha256",
  "rsa_pss_rsae_sha512",
  "rsa_pss_rsae_sha256",
  "ecdsa_secp521r1_sha512",
  "ecdsa_secp384r1_sha384",
  "ecdsa_secp256r1_sha256"
]

interface Place {
  readonly token: string
  readonly pin: string
  readonly label: string
  readonly id: string
}

const writeCertificate = ({ dir, modulePath, env }: SoftHsmDirectory, { token, pin, label, id }: Place): void => {
  const file = join(dir, "certificate.der")
  const subject = ["-subj", "/CN=lonely", "-outform", "DER", "-out", file]
  const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", join(dir, "key.pem")]
  execFileSync("openssl", ["req", "-x509", ...key, ...subject], { stdio: "ignore" })
  const where = ["--token-label", token]
  const object = ["--write-object", file, "--type", "cert", "--label", label, "--id", id]
  pkcs11Tool({ modulePath, env, where }, "--login", "--pin", pin, ...object)
}

describe("a key in SoftHSM2", () => {
  it.each([
    ["p256", "ecdsa_secp256r1_sha256", "sha256"],
    ["p384", "ecdsa_secp384r1_sha384", "sha384"],
    ["p521", "ecdsa_secp521r1_sha512", "sha512"]
  ] as const)("%s signs with its curve's scheme", (kind, scheme, hash) =>
    run(
      Effect.gen(function* () {
        const { ref, sign, key } = yield* startSoftHsm({ key: { kind } })
        const chosen = yield* ref.ask("ChooseScheme", { offered: everyScheme, key: {} }, { within: 60_000 })
        expect(chosen).toMatchObject({ algorithm: "ECDSA", scheme })
        expect(isSignature(yield* sign(chosen.key, chosen.scheme), key.publicKeyPem, hash)).toBe(true)
      })
    )
  )

  it.each(["rsa2048", "rsa3072", "rsa4096"] as const)("%s signs with PSS and with PKCS#1, and prefers PSS", (kind) =>
    run(
      Effect.gen(function* () {
        const { ref, sign, key } = yield* startSoftHsm({ key: { kind } })
        const publicKey = createPublicKey(key.publicKeyPem)
        const chosen = yield* ref.ask("ChooseScheme", { offered: everyScheme, key: {} }, { within: 60_000 })
        expect(chosen).toMatchObject({ algorithm: "RSA", scheme: "rsa_pss_rsae_sha256" })
        for (const [scheme, hash, saltLength] of [
          ["rsa_pss_rsae_sha256", "sha256", 32],
          ["rsa_pss_rsae_sha384", "sha384", 48],
          ["rsa_pss_rsae_sha512", "sha512", 64]
        ] as const) {
          const options = { key: publicKey, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength }
          expect(verify(hash, message, options, yield* sign(chosen.key, scheme))).toBe(true)
        }
        for (const hash of ["sha256", "sha384", "sha512"] as const) {
          const signature = yield* sign(chosen.key, `rsa_pkcs1_${hash}`)
          expect(verify(hash, message, publicKey, signature)).toBe(true)
        }
        expect(verify("sha256", message, publicKey, yield* sign(chosen.key, "rsa_pkcs1_sha256"))).toBe(true)
      })
    )
  )

  it("is named by serial and id once it is chosen, so that no other key can be meant", () =>
    run(
      Effect.gen(function* () {
        const { ref, sign, token, key } = yield* startSoftHsm()
        const chosen = yield* ref.ask("ChooseScheme", { offered: everyScheme, key: {} }, { within: 60_000 })
        expect(chosen.key.uri).toMatchObject({ serial: token.serial, id: Uint8Array.of(1), type: "private" })
        token.importKey({ id: "00", label: "aaa" })
        expect(isSignature(yield* sign(chosen.key), key.publicKeyPem)).toBe(true)
      })
    ))

  it("is the first of several, with a warning that names the others", () =>
    run(
      Effect.gen(function* () {
        const { sign, token, events } = yield* startSoftHsm()
        token.importKey({ id: "02", label: "other" })
        yield* sign({})
        yield* sign({})
        const warnings = events.filter((event) => event._tag === "SeveralKeysMatched")
        expect(warnings).toHaveLength(1)
        expect(warnings[0]).toMatchObject({ others: [expect.stringMatching(/id=%0[12]/)] })
      })
    ))

  it("is searched on the first token only, and the refusal names the token that has it", () =>
    run(
      Effect.gen(function* () {
        const { ref, sign, directory, events, token } = yield* startSoftHsm()
        const second = directory.addToken({ label: "second" })
        const listed = yield* ref.ask("ListTokens", undefined, { within: 60_000 })
        const [first = "", last] = listed.filter(({ initialized }) => initialized).map(({ label }) => label)
        const there = last === "second" ? second : token
        there.importKey({ id: "77", label: "lonely" })
        expect(yield* Effect.flip(sign(by("pkcs11:id=%77")))).toMatchObject({
          _tag: "KeyNotFound",
          token: first,
          onOtherToken: {
            token: last,
            uri: expect.stringMatching(new RegExp(`token=${last};id=%77$`)),
            seen: "publicKey"
          }
        })
        expect(events.map(({ _tag }) => _tag)).toContain("SeveralTokensMatched")
      })
    ))

  it("is reported on another token even if only its certificate is visible there", () =>
    run(
      Effect.gen(function* () {
        const { sign, directory } = yield* startSoftHsm()
        directory.addToken({ label: "second", pin: "4321" })
        writeCertificate(directory, { token: "second", pin: "4321", label: "lonely", id: "77" })
        for (const [token, tag] of [
          ["my-token", "KeyNotFound"],
          ["lost", "TokenNotFound"]
        ])
          expect(yield* Effect.flip(sign(by(`pkcs11:token=${token};id=%77;object=lonely`)))).toMatchObject({
            _tag: tag,
            onOtherToken: {
              token: "second",
              uri: expect.stringMatching(/token=second;id=%77;object=lonely$/),
              seen: "certificate"
            }
          })
      })
    ))

  it("on another token is found when the URI names that token", () =>
    run(
      Effect.gen(function* () {
        const { sign, directory } = yield* startSoftHsm()
        const second = directory.addToken({ label: "second", pin: "4321" })
        const key = second.importKey({ id: "77", label: "lonely" })
        const signature = yield* sign(by("pkcs11:token=second;object=lonely", "4321"))
        expect(isSignature(signature, key.publicKeyPem)).toBe(true)
      })
    ))

  it("outside of device.cryptoki.uri does not exist", () =>
    run(
      Effect.gen(function* () {
        const { sign, key, directory } = yield* startSoftHsm({ settings: { scope: uri("pkcs11:token=my-token") } })
        directory.addToken({ label: "second", pin: "4321" }).importKey({ id: "77" })
        // The scope's attributes win over the client's.
        const signature = yield* sign(by("pkcs11:token=second", "123456"))
        expect(isSignature(signature, key.publicKeyPem)).toBe(true)
        expect(yield* Effect.flip(sign(by("pkcs11:id=%77")))).toMatchObject({ _tag: "KeyNotFound", token: "my-token" })
      })
    ))

  it("may not be named as anything but a private key", () =>
    run(
      Effect.gen(function* () {
        const { sign } = yield* startSoftHsm()
        for (const type of ["public", "cert", "secret-key", "data"])
          expect(yield* Effect.flip(sign(by(`pkcs11:object=my-key;type=${type}`)))).toMatchObject({
            _tag: "UriNotUsable"
          })
      })
    ))

  it("signs a hundred messages asked for at once, each right", () =>
    run(
      Effect.gen(function* () {
        const { sign, key } = yield* startSoftHsm()
        const asked = Array.from({ length: 100 }, () => sign({}))
        const signatures = yield* Effect.all(asked, { concurrency: "unbounded" })
        expect(signatures.every((signature) => isSignature(signature, key.publicKeyPem))).toBe(true)
      })
    ))
})
