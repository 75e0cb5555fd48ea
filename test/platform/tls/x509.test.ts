/** Requests and certificates we build, judged by OpenSSL and by Node. */
import { execFileSync } from "node:child_process"
import { createSign, generateKeyPairSync, type KeyObject, X509Certificate } from "node:crypto"
import { readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import fc from "fast-check"
import { describe, expect, it } from "vitest"
import {
  type CertificateScheme,
  certificatesOf,
  certificationRequest,
  pem,
  requestFacts,
  selfSignedCertificate,
  signed,
  type Unsigned
} from "../../../src/platform/tls/x509.ts"
import { tempDir } from "../../support/temp-dir.ts"
import { requestProblem } from "../../support/tls/openssl-output.ts"

interface Pair {
  readonly publicKey: KeyObject
  readonly privateKey: KeyObject
}

const pairs: Record<CertificateScheme, () => Pair> = {
  ecdsa_secp256r1_sha256: () => generateKeyPairSync("ec", { namedCurve: "P-256" }),
  ecdsa_secp384r1_sha384: () => generateKeyPairSync("ec", { namedCurve: "P-384" }),
  ecdsa_secp521r1_sha512: () => generateKeyPairSync("ec", { namedCurve: "P-521" }),
  rsa_pkcs1_sha256: () => generateKeyPairSync("rsa", { modulusLength: 2048 })
}

const schemes = Object.keys(pairs) as ReadonlyArray<CertificateScheme>
const subject = { commonName: "dev-01", organization: "Thin Edge", organizationUnit: "Device" }
const spki = (pair: Pair) => pair.publicKey.export({ type: "spki", format: "der" })

const signWith = (pair: Pair, unsigned: Unsigned): string => {
  const hash = `sha${unsigned.scheme.slice(-3)}`
  return signed(unsigned, createSign(hash).update(unsigned.toBeSigned).sign(pair.privateKey))
}

const openssl = (args: ReadonlyArray<string>): string =>
  execFileSync("openssl", [...args], { encoding: "utf8", stdio: "pipe" })

describe("a certification request", () => {
  it.each(schemes)("with a %s key is verified by openssl and carries the subject in order", (scheme) => {
    const dir = tempDir()
    const pair = pairs[scheme]()
    const file = join(dir, "device.csr")
    writeFileSync(file, signWith(pair, certificationRequest(subject, spki(pair), scheme)))
    expect(requestProblem(file)).toBeUndefined()
    expect(openssl(["req", "-in", file, "-noout", "-subject", "-nameopt", "oneline"]).trim()).toBe(
      "subject=CN = dev-01, O = Thin Edge, OU = Device"
    )
  })

  it("whose signature was made over other bytes is refused by openssl", () => {
    const dir = tempDir()
    const pair = pairs.ecdsa_secp256r1_sha256()
    const file = join(dir, "device.csr")
    const request = certificationRequest(subject, spki(pair), "ecdsa_secp256r1_sha256")
    const other = createSign("sha256").update("other").sign(pair.privateKey)
    writeFileSync(file, signed(request, other))
    expect(requestProblem(file)).toContain("verify failure")
  })
})

describe("a self-signed certificate", () => {
  const now = new Date("2026-03-04T05:06:07Z")
  const yearMs = 365 * 86_400_000

  it.each(schemes)(
    "with a %s key is its own issuer and a CA, and lasts from a day ago for as long as asked",
    (scheme) => {
      const pair = pairs[scheme]()
      const certificate = new X509Certificate(
        signWith(pair, selfSignedCertificate(subject, spki(pair), scheme, now, yearMs))
      )
      expect(certificate.verify(pair.publicKey)).toBe(true)
      expect(certificate.ca).toBe(true)
      expect(certificate.issuer).toBe(certificate.subject)
      expect(new Date(certificate.validFrom).toISOString()).toBe("2026-03-03T05:06:07.000Z")
      expect(new Date(certificate.validTo).toISOString()).toBe("2027-03-04T05:06:07.000Z")
    }
  )

  it("is trusted by openssl verify when it is the trust anchor", () => {
    const dir = tempDir()
    const pair = pairs.ecdsa_secp256r1_sha256()
    const file = join(dir, "device.pem")
    const unsigned = selfSignedCertificate(subject, spki(pair), "ecdsa_secp256r1_sha256", new Date(), yearMs)
    writeFileSync(file, signWith(pair, unsigned))
    expect(openssl(["verify", "-x509_strict", "-CAfile", file, file])).toContain("OK")
  })

  it("that lasts beyond 2049 keeps its dates", () => {
    const pair = pairs.ecdsa_secp256r1_sha256()
    const unsigned = selfSignedCertificate(subject, spki(pair), "ecdsa_secp256r1_sha256", now, 40 * yearMs)
    const certificate = new X509Certificate(signWith(pair, unsigned))
    expect(new Date(certificate.validTo).getUTCFullYear()).toBe(2066)
  })

  it("has a serial number of its own each time", () => {
    const pair = pairs.ecdsa_secp256r1_sha256()
    const serial = () =>
      new X509Certificate(
        signWith(pair, selfSignedCertificate(subject, spki(pair), "ecdsa_secp256r1_sha256", now, yearMs))
      ).serialNumber
    expect(new Set(Array.from({ length: 20 }, serial)).size).toBe(20)
  })
})

describe("a certs-only message", () => {
  it("made by openssl gives its certificates, in order", () => {
    const dir = tempDir()
    const pair = pairs.ecdsa_secp256r1_sha256()
    const one = signWith(pair, selfSignedCertificate(subject, spki(pair), "ecdsa_secp256r1_sha256", new Date(), 1e9))
    const file = join(dir, "one.pem")
    const bag = join(dir, "bag.der")
    writeFileSync(file, one)
    openssl(["crl2pkcs7", "-nocrl", "-certfile", file, "-outform", "DER", "-out", bag])
    expect(certificatesOf(readFileSync(bag))).toEqual([one])
  })

  it("that is anything else is undefined, never an exception", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        expect(certificatesOf(bytes)).toBeUndefined()
      })
    )
  })
})

describe("PEM", () => {
  it("has lines of at most 64 characters and decodes to the same bytes", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 500 }), (bytes) => {
        const lines = pem("X", bytes).trimEnd().split("\n")
        expect(Math.max(...lines.slice(1, -1).map((line) => line.length), 0)).toBeLessThanOrEqual(64)
        expect(new Uint8Array(Buffer.from(lines.slice(1, -1).join(""), "base64"))).toEqual(bytes)
      })
    )
  })
})

describe("the facts of a request", () => {
  const request = (commonName: string) => {
    const pair = pairs.ecdsa_secp256r1_sha256()
    const unsigned = certificationRequest({ ...subject, commonName }, spki(pair), "ecdsa_secp256r1_sha256")
    return { text: signWith(pair, unsigned), publicKey: spki(pair) }
  }

  it("are its key and its common name", () => {
    const { text, publicKey } = request("gerät, 1")
    const facts = requestFacts(`some text before\n${text}`)
    expect(facts).toMatchObject({ commonName: "gerät, 1", pem: text })
    expect(Buffer.compare(facts?.publicKey ?? Buffer.of(), publicKey)).toBe(0)
  })

  it("are read from a request that openssl made, with extensions", () => {
    const dir = tempDir()
    const [key, csr] = [join(dir, "key.pem"), join(dir, "own.csr")]
    const wanted = ["-subj", "/C=DE/O=x/CN=own", "-addext", "subjectAltName=DNS:a.example"]
    openssl(["req", "-new", "-newkey", "rsa:2048", "-nodes", "-keyout", key, ...wanted, "-out", csr])
    const publicKey = openssl(["req", "-in", csr, "-pubkey", "-noout"])
    const facts = requestFacts(readFileSync(csr, "utf8"))
    expect(facts?.commonName).toBe("own")
    expect(pem("PUBLIC KEY", facts?.publicKey ?? Buffer.of())).toBe(publicKey)
  })

  it("are none for anything else, cut off at any length or with any byte changed", () => {
    const bytes = Buffer.from(request("dev").text.replace(/-----[^-]+-----|\s/g, ""), "base64")
    for (let length = 0; length < bytes.length; length++)
      expect(requestFacts(pem("CERTIFICATE REQUEST", bytes.subarray(0, length)))).toBeUndefined()
    const at = fc.nat(bytes.length - 1)
    fc.assert(
      fc.property(at, fc.integer({ min: 0, max: 255 }), (index, value) => {
        const changed = Buffer.from(bytes)
        changed[index] = value
        expect(() => requestFacts(pem("CERTIFICATE REQUEST", changed))).not.toThrow()
        expect(() => certificatesOf(changed)).not.toThrow()
      })
    )
  })
})
