/** JWTs and CSRs: read and verified by programs that are not ours. */
import { execFileSync } from "node:child_process"
import { constants, generateKeyPairSync, type KeyObject, verify } from "node:crypto"
import { describe, expect, it } from "vitest"
import { createCsr } from "../../src/tls/csr.ts"
import { signJwt } from "../../src/tls/jwt.ts"
import type { SigningKey } from "../../src/tls/key.ts"
import { pemSigner } from "../support/tls/tls-server.ts"

const codes: Record<string, number> = {
  ecdsa_secp256r1_sha256: 0x0403,
  ecdsa_secp384r1_sha384: 0x0503,
  rsa_pss_rsae_sha256: 0x0804,
  rsa_pkcs1_sha256: 0x0401,
  ed25519: 0x0807
}

const signing = ({ publicKey, privateKey }: { publicKey: KeyObject; privateKey: KeyObject }): SigningKey => {
  const sign = pemSigner(privateKey.export({ type: "pkcs8", format: "pem" }).toString())
  return { publicKey, sign: (scheme, message) => sign(codes[scheme] ?? 0, message, new AbortController().signal) }
}

const p256 = signing(generateKeyPairSync("ec", { namedCurve: "P-256" }))
const p384 = signing(generateKeyPairSync("ec", { namedCurve: "P-384" }))
const rsa = signing(generateKeyPairSync("rsa", { modulusLength: 2048 }))
const ed25519 = signing(generateKeyPairSync("ed25519"))

const parts = (token: string) => {
  const [header = "", claims = "", signature = ""] = token.split(".")
  const json = (part: string) => JSON.parse(Buffer.from(part, "base64url").toString())
  return {
    header: json(header),
    claims: json(claims),
    input: Buffer.from(`${header}.${claims}`),
    signature: Buffer.from(signature, "base64url")
  }
}

describe("a JWT", () => {
  it("is signed with ES256, r and s side by side, whatever their length", async () => {
    for (let n = 0; n < 300; n++) {
      const { header, claims, input, signature } = parts(
        await signJwt(p256, { sub: "device", n }, { header: { kid: "1" } })
      )
      expect(header).toEqual({ typ: "JWT", kid: "1", alg: "ES256" })
      expect(claims).toEqual({ sub: "device", n })
      expect(signature).toHaveLength(64)
      const key = { key: p256.publicKey as KeyObject, dsaEncoding: "ieee-p1363" } as const
      expect(verify("sha256", input, key, signature)).toBe(true)
    }
  })

  it("is signed with RS256 and PS256", async () => {
    const rs = parts(await signJwt(rsa, {}))
    expect(rs.header.alg).toBe("RS256")
    expect(verify("sha256", rs.input, rsa.publicKey as KeyObject, rs.signature)).toBe(true)
    const ps = parts(await signJwt(rsa, {}, { algorithm: "PS256" }))
    const key = { key: rsa.publicKey as KeyObject, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: 32 }
    expect(verify("sha256", ps.input, key, ps.signature)).toBe(true)
  })

  it("is refused with an algorithm that is not the key's", async () => {
    await expect(signJwt(p384, {})).rejects.toMatchObject({ code: "ERR_SCHEME_NOT_SUPPORTED" })
    await expect(signJwt(p256, {}, { algorithm: "RS256" })).rejects.toMatchObject({ code: "ERR_SCHEME_NOT_SUPPORTED" })
    await expect(signJwt({ ...p256, sign: rsa.sign }, {})).rejects.toMatchObject({ code: expect.any(String) })
  })
})

describe("a CSR", () => {
  it.each(Object.entries({ p256, p384, rsa, ed25519 }))("of a %s key is taken by openssl", async (_kind, key) => {
    const request = await createCsr(key, {
      subject: { C: "DE", O: "Müller & Söhne", CN: "device-1" },
      altNames: ["device.example", "192.0.2.7", "2001:db8::1", "urn:dev:ops:1"]
    })
    const told = execFileSync("openssl", ["req", "-verify", "-noout", "-text", "-nameopt", "utf8,sep_comma_plus"], {
      input: request,
      stdio: ["pipe", "pipe", "pipe"]
    }).toString()
    expect(told).toMatch(/C ?= ?DE,O ?= ?Müller & Söhne,CN ?= ?device-1/)
    expect(told).toContain(
      "DNS:device.example, IP Address:192.0.2.7, IP Address:2001:DB8:0:0:0:0:0:1, URI:urn:dev:ops:1"
    )
  })

  it("needs a subject that can be written", async () => {
    await expect(createCsr(p256, { subject: {} })).rejects.toMatchObject({ code: "ERR_INVALID_OPTION" })
    await expect(createCsr(p256, { subject: { C: "Ü" } })).rejects.toMatchObject({ code: "ERR_INVALID_OPTION" })
  })
})
