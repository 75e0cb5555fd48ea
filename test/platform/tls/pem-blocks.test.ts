/** PEM files with certificates, keys and remarks in any order. */
import { X509Certificate } from "node:crypto"
import fc from "fast-check"
import { afterAll, describe, expect, it } from "vitest"
import { mustRun } from "../../../scripts/lib/run.mjs"
import { pemCertificates } from "../../../src/platform/tls/device-certificate.ts"
import {
  holdsCertificate,
  holdsPrivateKey,
  trustedCertificates,
  withCertificates
} from "../../../src/platform/tls/pem-blocks.ts"
import { testPki } from "../../support/tls/pki.ts"

const pki = testPki({ deviceId: "dev01" })
afterAll(() => pki.remove())

const remark = "Bag Attributes\n    friendlyName: Gerät\n"
const parameters = "-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n"
const cutKey = "-----BEGIN EC PRIVATE KEY-----\nMHcCAQEEIA\n"

describe("new certificates in a file", () => {
  it("replace its certificates and leave everything else", () => {
    const parts = fc.shuffledSubarray([pki.caPem, pki.deviceKeyPem, remark, parameters, pki.deviceCertPem])
    fc.assert(
      fc.property(parts, (present) => {
        const text = withCertificates(present.join(""), pki.serverCertPem)
        expect(pemCertificates(text)).toEqual(pemCertificates(pki.serverCertPem))
        for (const kept of present.filter((part) => !holdsCertificate(part))) expect(text).toContain(kept.trim())
      })
    )
  })

  it("keep a key that is cut off, and add one only the new file has", () => {
    expect(withCertificates(`${pki.deviceCertPem}${cutKey}`, pki.caPem)).toBe(`${pki.caPem}${cutKey}`)
    const text = withCertificates(`${pki.deviceCertPem}${pki.deviceKeyPem}`, `${pki.caPem}${pki.serverKeyPem}`)
    expect(text).toBe(`${pki.caPem}${pki.deviceKeyPem}${pki.serverKeyPem}`)
    expect(withCertificates(pki.deviceKeyPem, `${pki.caPem}${pki.deviceKeyPem}`)).toBe(pki.caPem + pki.deviceKeyPem)
  })
})

describe("a private key", () => {
  it.each(["PRIVATE KEY", "EC PRIVATE KEY", "RSA PRIVATE KEY", "ENCRYPTED PRIVATE KEY", "TSS2 PRIVATE KEY"])(
    "is seen under the label %s",
    (label) => {
      expect(holdsPrivateKey(`${pki.deviceCertPem}-----BEGIN ${label}-----\n`)).toBe(true)
    }
  )
  it("is not seen in certificates, requests and public keys", () => {
    expect(holdsPrivateKey(`${pki.deviceCertPem}-----BEGIN PUBLIC KEY-----\n`)).toBe(false)
  })
})

describe("a TRUSTED CERTIFICATE", () => {
  const made = async (...options: ReadonlyArray<string>) =>
    (await mustRun("openssl", ["x509", "-in", pki.caFile, "-trustout", ...options])).stdout

  it("is the certificate without its trust settings", async () => {
    const [der = Buffer.alloc(0)] = pemCertificates(await made("-setalias", "x"))
    expect(der.equals(new X509Certificate(pki.caPem).raw)).toBe(true)
  })

  it.each([
    [["-setalias", "x"], 1],
    [["-addtrust", "serverAuth"], 1],
    [["-addtrust", "anyExtendedKeyUsage"], 1],
    [["-addtrust", "emailProtection"], 0],
    [["-addreject", "serverAuth"], 0],
    [["-addreject", "emailProtection"], 1],
    [["-addtrust", "serverAuth", "-addreject", "anyExtendedKeyUsage"], 0]
  ])("%j: its settings decide whether it vouches for servers", async (options, count) => {
    expect(trustedCertificates(await made(...options))).toHaveLength(count)
  })

  it("with truncated settings is not trusted", async () => {
    const [, base64 = ""] = /-----\n([^-]*)-----/.exec(await made("-addreject", "serverAuth")) ?? []
    const cut = Buffer.from(base64, "base64").subarray(0, -3).toString("base64")
    const text = `-----BEGIN TRUSTED CERTIFICATE-----\n${cut}\n-----END TRUSTED CERTIFICATE-----\n`
    expect(trustedCertificates(text)).toEqual([])
  })
})
