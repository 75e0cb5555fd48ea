/**
 * Keys as vendors' tools leave them: without a public object, or private ones that hide what others tell.
 *
 * On SoftHSM2 behind the scripted module, which answers single attributes as those modules do.
 */
import { execFileSync } from "node:child_process"
import { createPublicKey } from "node:crypto"
import { writeFileSync } from "node:fs"
import { join } from "node:path"
import { Effect } from "effect"
import { describe, expect, it } from "vitest"
import { explainToken } from "../../../../src/messages/explain/token.ts"
import { type CkrName, scriptedModule } from "../../../support/token/scripted-module.ts"
import {
  newPrivateKeyPem,
  type SoftHsmDirectory,
  softhsmDirectory,
  softhsmModulePath
} from "../../../support/token/softhsm.ts"
import { isSignature, run, startModule } from "../module-kit.ts"

/** PKCS#11 v2.40, 2.1. */
const attribute = { publicKeyInfo: 0x129, id: 0x102, modulus: 0x120, ecParams: 0x180, alwaysAuthenticate: 0x202 }

interface Leave {
  readonly kind?: "p256" | "p384" | "rsa2048"
  readonly publicObject?: boolean
  readonly certificate?: boolean
}

/** One key, with what is left beside it, behind a scripted module. */
const leftWith = ({ kind = "p256", publicObject = false, certificate = false }: Leave) =>
  Effect.gen(function* () {
    const directory = yield* Effect.acquireRelease(Effect.sync(softhsmDirectory), ({ cleanup }) => Effect.sync(cleanup))
    const token = directory.addToken()
    const privateKeyPem = newPrivateKeyPem(kind)
    const key = token.importKey({ kind, publicObject, privateKeyPem })
    if (certificate) writeCertificate(directory, privateKeyPem)
    const script = yield* Effect.acquireRelease(
      Effect.sync(() => scriptedModule(softhsmModulePath())),
      ({ cleanup }) => Effect.sync(cleanup)
    )
    script.setAttribute({ object: "private", type: attribute.publicKeyInfo }, { code: "CKR_ATTRIBUTE_TYPE_INVALID" })
    const kit = yield* startModule({ ...directory, dir: script.dir, modulePath: script.modulePath })
    const publicKey = kit.ref.ask("PublicKey", { key: {} }, { within: 60_000 })
    return { ...kit, key, script, publicKey }
  })

/** With the key's id, as enrolment tools write it. */
const writeCertificate = ({ dir, env, modulePath }: SoftHsmDirectory, privateKeyPem: string): void => {
  const [key, pem, der] = ["k.pem", "c.pem", "c.der"].map((name) => join(dir, name)) as [string, string, string]
  const quiet = { stdio: "ignore", env: { ...process.env, ...env } } as const
  writeFileSync(key, privateKeyPem, { mode: 0o600 })
  execFileSync("openssl", ["req", "-x509", "-new", "-key", key, "-subj", "/CN=device", "-out", pem], quiet)
  execFileSync("openssl", ["x509", "-in", pem, "-outform", "DER", "-out", der], quiet)
  const write = ["--login", "--pin", "123456", "--write-object", der, "--type", "cert", "--id", "01"]
  execFileSync("pkcs11-tool", ["--module", modulePath, ...write], quiet)
}

const spki = (pem: string): string => createPublicKey(pem).export({ type: "spki", format: "der" }).toString("hex")

describe("a private key without a public object", () => {
  it.each(["p256", "p384", "rsa2048"] as const)("%s has its public half told by the certificate of its id", (kind) =>
    run(
      Effect.gen(function* () {
        const { publicKey, key } = yield* leftWith({ kind, certificate: true })
        expect(Buffer.from(yield* publicKey).toString("hex")).toBe(spki(key.publicKeyPem))
      })
    )
  )

  it("is read from CKA_PUBLIC_KEY_INFO if the module supports that", () =>
    run(
      Effect.gen(function* () {
        const { publicKey, key, script } = yield* leftWith({})
        const value = Buffer.from(spki(key.publicKeyPem), "hex")
        script.setAttribute({ object: "private", type: attribute.publicKeyInfo }, { value })
        expect(Buffer.from(yield* publicKey)).toEqual(value)
      })
    ))

  it("and without a certificate signs, and the missing half has a sentence of its own", () =>
    run(
      Effect.gen(function* () {
        const { publicKey, sign, key } = yield* leftWith({})
        expect(isSignature(yield* sign({}), key.publicKeyPem)).toBe(true)
        const refusal = yield* Effect.flip(publicKey)
        if (refusal._tag !== "PublicKeyUnavailable") throw new Error(`unexpected: ${refusal._tag}`)
        expect(explainToken(refusal).error).toContain("does not tell the public key")
      })
    ))
})

const hidden: ReadonlyArray<readonly [string, Leave, number]> = [
  ["CKA_EC_PARAMS, with a public object", { publicObject: true }, attribute.ecParams],
  ["CKA_EC_PARAMS, with a certificate", { certificate: true }, attribute.ecParams],
  ["CKA_MODULUS, with a public object", { kind: "rsa2048", publicObject: true }, attribute.modulus],
  ["CKA_MODULUS, with a certificate", { kind: "rsa2048", certificate: true }, attribute.modulus],
  ["CKA_ID", { publicObject: true }, attribute.id],
  ["CKA_ALWAYS_AUTHENTICATE", { publicObject: true }, attribute.alwaysAuthenticate]
]
const codes: ReadonlyArray<CkrName> = ["CKR_ATTRIBUTE_TYPE_INVALID", "CKR_GENERAL_ERROR", "CKR_ARGUMENTS_BAD"]

describe.each(codes)("a private key whose attribute is answered with %s", (code) => {
  it.each(hidden)("signs without %s, with one login for all signatures", (_name, leave, type) =>
    run(
      Effect.gen(function* () {
        const { sign, key, script } = yield* leftWith(leave)
        script.setAttribute({ object: "private", type }, { code })
        const scheme = leave.kind === "rsa2048" ? "rsa_pkcs1_sha256" : "ecdsa_secp256r1_sha256"
        for (let turn = 0; turn < 3; turn++) expect(isSignature(yield* sign({}, scheme), key.publicKeyPem)).toBe(true)
        expect(script.calls("C_Login")).toBe(1)
        expect(script.processes()).toHaveLength(1)
      })
    )
  )

  it("is unusable if nothing on the token contains its curve", () =>
    run(
      Effect.gen(function* () {
        const { sign, script } = yield* leftWith({})
        script.setAttribute({ object: "private", type: attribute.ecParams }, { code })
        expect(yield* Effect.flip(sign({}))).toMatchObject({ _tag: "SchemeNotSupported" })
      })
    ))
})
