/** What of a bundle of CA certificates is kept between connections: its parsed form, as long as its text is the same. */
import { afterAll, describe, expect, it } from "vitest"
import { pemCertificates } from "../../../src/platform/tls/device-certificate.ts"
import { trustStore } from "../../../src/platform/tls/trust-store.ts"
import { makeCa, testPki } from "../../support/tls/pki.ts"

const pki = testPki()
afterAll(pki.remove)
const otherCa = makeCa(pki.dir, "Other CA").certPem

describe("trusted certificates", () => {
  it("are parsed once, and anew when a text is another", () => {
    const first = trustStore([pki.caPem])
    expect(trustStore([`${pki.caPem} `.slice(0, -1)])).toBe(first)
    expect(trustStore([otherCa])).not.toBe(first)
    expect(trustStore([pki.caPem])).toBe(first)
  })

  it("do not follow a list that is written over", () => {
    const texts = [pki.caPem]
    const first = trustStore(texts)
    texts[0] = otherCa
    expect(trustStore(texts)).not.toBe(first)
  })

  it("are kept for four bundles and no more", () => {
    const first = trustStore([pki.caPem])
    for (let n = 0; n < 4; n++) trustStore([pki.caPem, "x".repeat(n)])
    expect(trustStore([pki.caPem])).not.toBe(first)
  })

  it("are each there once, without what OpenSSL cannot read", () => {
    const broken = "-----BEGIN CERTIFICATE-----\nTm8=\n-----END CERTIFICATE-----\n"
    const { certificates, pem } = trustStore([`${broken}text ${pki.caPem}`, otherCa, pki.caPem])
    expect(certificates).toEqual([pki.caPem, otherCa].flatMap(pemCertificates))
    expect(pem().flatMap(pemCertificates)).toEqual(certificates)
  })

  it("have another fingerprint when one is added or they stand in another order", () => {
    const prints = [[pki.caPem], [pki.caPem, otherCa], [otherCa, pki.caPem], []].map((texts) =>
      trustStore(texts).fingerprint()
    )
    expect(new Set(prints).size).toBe(prints.length)
  })
})
