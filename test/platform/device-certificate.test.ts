/** Which certificate of a file is the device's. */
import { X509Certificate } from "node:crypto"
import fc from "fast-check"
import { afterAll, describe, expect, it } from "vitest"
import { deviceCertificate } from "../../src/platform/device-certificate.ts"
import { makeCa, makeDeviceCertificate, makeIntermediateCa, testPki } from "../support/pki.ts"

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
