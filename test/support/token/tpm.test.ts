/** The TPM kit itself: a token that other programs see and that signs. */
import { createHash, createPublicKey, createVerify } from "node:crypto"
import { readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { pkcs11Tool } from "./pkcs11-tool.ts"
import { type TpmToken, tpmToken } from "./tpm.ts"

let token: TpmToken

beforeAll(async () => {
  token = await tpmToken({ label: "kit" })
})
afterAll(() => token.cleanup())

describe("the TPM kit", () => {
  it.each(["p256", "rsa2048"] as const)("makes a %s key whose public half is read from outside", (kind) => {
    const key = token.generateKey({ kind, id: kind === "p256" ? "01" : "02", label: kind })
    expect(createPublicKey(key.publicKeyPem).asymmetricKeyType).toBe(kind === "p256" ? "ec" : "rsa")
  })

  it("signs in the TPM", () => {
    const { publicKeyPem } = token.generateKey({ kind: "p256", id: "03" })
    const [digest, signature] = [join(token.dir, "digest"), join(token.dir, "signature")]
    writeFileSync(digest, createHash("sha256").update("to be signed").digest())
    const here = { modulePath: token.modulePath, env: token.env, where: ["--token-label", "kit"] }
    const how = ["--mechanism", "ECDSA", "--id", "03", "-i", digest, "-o", signature]
    pkcs11Tool(here, "--login", "--pin", token.pin, "--sign", ...how)
    const verifier = createVerify("sha256").update("to be signed")
    expect(verifier.verify({ key: publicKeyPem, dsaEncoding: "ieee-p1363" }, readFileSync(signature))).toBe(true)
  })
})
