/** From messages to what a token signs, and from what it gives to TLS signatures. Checked by OpenSSL. */
import { execFileSync } from "node:child_process"
import { constants, createPublicKey, generateKeyPairSync, privateEncrypt, sign, verify } from "node:crypto"
import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { p256, p384, p521 } from "../../../../src/actors/cryptoki/pkcs11/ec-curve.ts"
import { subjectPublicKeyInfo } from "../../../../src/actors/cryptoki/pkcs11/public-key.ts"
import { mechanismCandidates, tlsSignature } from "../../../../src/actors/cryptoki/pkcs11/signature.ts"

const message = Buffer.from("CertificateVerify")
const hex = (bytes: Uint8Array | undefined) => bytes && Buffer.from(bytes).toString("hex")

describe("an ECDSA signature", () => {
  it.each([
    ["prime256v1", p256, "sha256"],
    ["secp384r1", p384, "sha384"],
    ["secp521r1", p521, "sha512"]
  ] as const)("of %s verifies after its way from r|s to DER, whatever r and s are", (namedCurve, curve, hash) => {
    const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve })
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), (content) => {
        const raw = sign(hash, content, { key: privateKey, dsaEncoding: "ieee-p1363" })
        const der = tlsSignature({ type: "EC", curve }, raw)
        expect(der && verify(hash, content, publicKey, der)).toBe(true)
      }),
      { numRuns: 40 }
    )
  })

  it("has INTEGERs as short as can be, with a zero in front of a high bit", () => {
    const raw = Buffer.alloc(64)
    raw[31] = 0x80
    raw[63] = 0x01
    expect(hex(tlsSignature({ type: "EC", curve: p256 }, raw))).toBe("30070202008002" + "0101")
  })

  it("of another length, or with a zero for r or s, is invalid", () => {
    const key = { type: "EC", curve: p256 } as const
    const full = Buffer.alloc(64, 7)
    for (let length = 0; length < 64; length++) expect(tlsSignature(key, full.subarray(0, length))).toBeUndefined()
    expect(tlsSignature(key, Buffer.alloc(65, 7))).toBeUndefined()
    expect(tlsSignature(key, Buffer.concat([Buffer.alloc(32), Buffer.alloc(32, 7)]))).toBeUndefined()
    expect(tlsSignature(key, Buffer.concat([Buffer.alloc(32, 7), Buffer.alloc(32)]))).toBeUndefined()
  })
})

describe("an RSA signature", () => {
  it("is as long as the modulus, or none", () => {
    const key = { type: "RSA", size: 256 } as const
    expect(tlsSignature(key, Buffer.alloc(256, 1))).toHaveLength(256)
    expect(tlsSignature(key, Buffer.alloc(255, 1))).toBeUndefined()
    expect(tlsSignature(key, Buffer.alloc(257, 1))).toBeUndefined()
  })

  it.each(["sha256", "sha384", "sha512"] as const)("by PKCS#1 with %s pads the DigestInfo OpenSSL expects", (hash) => {
    const { privateKey, publicKey } = generateKeyPairSync("rsa", { modulusLength: 2048 })
    const [first] = mechanismCandidates(`rsa_pkcs1_${hash}`, message)
    const signature = privateEncrypt({ key: privateKey, padding: constants.RSA_PKCS1_PADDING }, first?.input ?? message)
    expect(verify(hash, message, publicKey, signature)).toBe(true)
  })

  it("by PSS is tried with the hash in the token first, then with our own, and a salt as long as the hash", () => {
    const candidates = mechanismCandidates("rsa_pss_rsae_sha384", message)
    expect(candidates.map(({ mechanism, pss, input }) => [mechanism, pss, input.length])).toEqual([
      [0x44, { hash: 0x260, mgf: 3, saltLength: 48 }, message.length],
      [0x0d, { hash: 0x260, mgf: 3, saltLength: 48 }, 48]
    ])
  })
})

describe("a public key", () => {
  const none = {
    curve: undefined,
    point: undefined,
    modulus: undefined,
    exponent: undefined,
    publicKeyInfo: undefined
  }

  it.each(["prime256v1", "secp384r1", "secp521r1"] as const)(
    "on %s is put together from a wrapped and from a bare point",
    (namedCurve) => {
      const { publicKey } = generateKeyPairSync("ec", { namedCurve })
      const { x = "", y = "" } = publicKey.export({ format: "jwk" })
      const point = Buffer.concat([Buffer.of(4), Buffer.from(x, "base64url"), Buffer.from(y, "base64url")])
      const wrapped = Buffer.concat([
        Buffer.from(point.length < 128 ? [4, point.length] : [4, 0x81, point.length]),
        point
      ])
      const curve = { prime256v1: p256, secp384r1: p384, secp521r1: p521 }[namedCurve].oid
      const expected = publicKey.export({ format: "der", type: "spki" }).toString("hex")
      expect(hex(subjectPublicKeyInfo({ ...none, curve, point }))).toBe(expected)
      expect(hex(subjectPublicKeyInfo({ ...none, curve, point: wrapped }))).toBe(expected)
    }
  )

  it.each(["prime256v1", "secp384r1", "secp521r1"] as const)(
    "on %s is understood with a compressed point and with parameters that are spelled out",
    (namedCurve) => {
      const { publicKey } = generateKeyPairSync("ec", { namedCurve })
      const { x = "", y = "" } = publicKey.export({ format: "jwk" })
      const odd = (Buffer.from(y, "base64url").at(-1) ?? 0) & 1
      const compressed = Buffer.concat([Buffer.of(2 + odd), Buffer.from(x, "base64url")])
      const wrapped = Buffer.concat([Buffer.of(4, compressed.length), compressed])
      const expected = publicKey.export({ format: "der", type: "spki" }).toString("hex")
      for (const form of [[], ["-no_seed"], ["-conv_form", "compressed"]]) {
        const params = ["ecparam", "-name", namedCurve, "-param_enc", "explicit", "-outform", "DER", ...form]
        const curve = execFileSync("openssl", params, { stdio: ["ignore", "pipe", "ignore"] })
        expect(hex(subjectPublicKeyInfo({ ...none, curve, point: compressed }))).toBe(expected)
        expect(hex(subjectPublicKeyInfo({ ...none, curve, point: wrapped }))).toBe(expected)
      }
    }
  )

  it("is taken from a valid CKA_PUBLIC_KEY_INFO if its parts are not readable", () => {
    const { publicKey } = generateKeyPairSync("ec", { namedCurve: "secp384r1" })
    const publicKeyInfo = publicKey.export({ format: "der", type: "spki" })
    expect(hex(subjectPublicKeyInfo({ ...none, publicKeyInfo }))).toBe(publicKeyInfo.toString("hex"))
    fc.assert(
      fc.property(fc.nat(publicKeyInfo.length - 1), (length) => {
        expect(subjectPublicKeyInfo({ ...none, publicKeyInfo: publicKeyInfo.subarray(0, length) })).toBeUndefined()
      })
    )
    const other = generateKeyPairSync("ed25519").publicKey.export({ format: "der", type: "spki" })
    expect(subjectPublicKeyInfo({ ...none, publicKeyInfo: other })).toBeUndefined()
  })

  it("of RSA is put together from modulus and exponent, with or without leading zeros", () => {
    const { publicKey } = generateKeyPairSync("rsa", { modulusLength: 2048 })
    const { n = "", e = "" } = publicKey.export({ format: "jwk" })
    const [modulus, exponent] = [Buffer.from(n, "base64url"), Buffer.from(e, "base64url")]
    const expected = publicKey.export({ format: "der", type: "spki" }).toString("hex")
    expect(hex(subjectPublicKeyInfo({ ...none, modulus, exponent }))).toBe(expected)
    const padded = Buffer.concat([Buffer.of(0), modulus])
    expect(hex(subjectPublicKeyInfo({ ...none, modulus: padded, exponent }))).toBe(expected)
    expect(() => createPublicKey({ key: Buffer.from(expected, "hex"), format: "der", type: "spki" })).not.toThrow()
  })

  it("is not made of what is too little or no point of the curve", () => {
    expect(subjectPublicKeyInfo(none)).toBeUndefined()
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 80 }), (point) => {
        const made = subjectPublicKeyInfo({ ...none, curve: p256.oid, point })
        const isPoint = point.length === 65 && point[0] === 4
        const isWrapped = point.length === 67 && point[0] === 4 && point[1] === 65 && point[2] === 4
        // About half of all x are those of a point: see the test of compressed ones.
        if (point.length !== 33 && point.length !== 35) expect(made !== undefined).toBe(isPoint || isWrapped)
      })
    )
  })
})
