/** Which certificate of a file is the device's. */
import { execFileSync } from "node:child_process"
import { X509Certificate } from "node:crypto"
import { readFileSync } from "node:fs"
import { join } from "node:path"
import fc from "fast-check"
import { afterAll, describe, expect, it } from "vitest"
import { commonNameOf, deviceCertificate } from "../../../src/platform/tls/device-certificate.ts"
import { makeCa, makeDeviceCertificate, makeIntermediateCa, testPki } from "../../support/tls/pki.ts"

const pki = testPki({ deviceId: "dev01" })
afterAll(() => pki.remove())

const parsed = (pem: string) => new X509Certificate(pem)
const root = parsed(pki.caPem)
const device = parsed(pki.deviceCertPem)
const intermediateCa = makeIntermediateCa(pki.ca)
const intermediate = parsed(intermediateCa.certPem)
const below = parsed(makeDeviceCertificate(intermediateCa, { cn: "dev02" }).certPem)
const foreignCa = parsed(makeCa(pki.dir, "Foreign CA").certPem)

describe("the device's certificate of a file", () => {
  it.each([
    ["the leaf first", [device, root], device],
    ["the leaf last", [root, device], device],
    ["the leaf alone", [device], device],
    ["a self-signed one alone, a CA's by its extension", [root], root],
    ["the same one twice", [device, device], device],
    ["a chain without the one between", [root, below], below],
    ["a foreign root before the chain", [foreignCa, root, device], device],
    ["a CA's only: the lower one", [root, intermediate], intermediate],
    ["nothing", [], undefined],
    ["two devices", [device, below], undefined],
    ["two devices and their issuers", [device, root, below, intermediate], undefined],
    ["two roots", [root, foreignCa], undefined]
  ])("%s", (_what, certificates, expected) => {
    expect(deviceCertificate(certificates)?.subject).toBe(expected?.subject)
  })

  it("is the same in whatever order a chain of three stands", () => {
    fc.assert(
      fc.property(fc.shuffledSubarray([below, intermediate, root], { minLength: 3 }), (certificates) => {
        expect(deviceCertificate(certificates)).toBe(below)
      })
    )
  })
})

describe("the common name", () => {
  const key = join(pki.dir, "common-name.key")
  const madeFor = (subject: string, curve: string): X509Certificate => {
    const file = join(pki.dir, "common-name.pem")
    execFileSync("openssl", ["ecparam", "-name", curve, "-genkey", "-noout", "-out", key])
    const request = ["req", "-x509", "-new", "-utf8", "-multivalue-rdn", "-key", key, "-subj", subject, "-out", file]
    execFileSync("openssl", request, { stdio: "pipe" })
    return parsed(readFileSync(file, "utf8"))
  }

  it.each([
    ["/CN=dev01", "dev01"],
    ["/CN=a/O=x/CN=b", "b"],
    ["/O=x/CN=a+O=y", "a"],
    ["/CN=a\\+CN=b", "a+CN=b"],
    ['/CN="a\\\\b", <c>;=', '"a\\b", <c>;='],
    ["/CN= a ", " a "],
    ["/CN=#a", "#a"],
    ["/CN=a\tb\nCN=c", "a\tb\nCN=c"],
    ["/CN=schlüssel-鍵", "schlüssel-鍵"],
    ["/O=a CN=b", undefined]
  ])("of %j", (subject, name) => {
    expect(commonNameOf(madeFor(subject, "prime256v1"))).toBe(name)
  })

  it("of a key on whatever curve", () => {
    for (const curve of ["secp256k1", "brainpoolP256r1"])
      expect(commonNameOf(madeFor("/CN=dev01", curve))).toBe("dev01")
  })
})
